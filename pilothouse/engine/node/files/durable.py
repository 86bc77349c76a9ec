"""Small files that outlive a crash: written whole or not at all, and on the disk when the call returns. Blocking."""

import os
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Makes the folder when it is missing. For root alone. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
