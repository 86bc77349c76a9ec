"""A node's key pair: Curve25519, in base64 as wg(8) takes it."""

import base64
import os
from pathlib import Path

from pilothouse.network.backends.seam import BackendFailure

FILE = "wireguard.key"


def kept(folder: Path) -> str:
    """The private key of this node, made when there is none. Blocks. Raises BackendFailure for one that cannot be read."""
    # Imported here and below: a node without WireGuard does not pay for it.
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    file = folder / FILE
    try:
        if file.exists():
            return _checked(file.read_text().strip())
        folder.mkdir(parents=True, exist_ok=True)
        made = base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writing:
            writing.write(made + "\n")
        fresh.replace(file)
    except (OSError, ValueError) as error:
        raise BackendFailure(f"the key for WireGuard at {file} cannot be used ({error}): remove it to have another one made") from error
    return made


def public(private: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _checked(text: str) -> str:
    if len(base64.b64decode(text, validate=True)) != 32:
        raise ValueError("not 32 bytes in base64")
    return text
