"""The trust store that Java reads, in the format JKS (what `keytool` writes; there is no Java where builds run).

Source: the format as OpenJDK's sun.security.provider.JavaKeyStore documents it.
"""

import base64
import hashlib
import re
import struct

_PEM = re.compile(r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END")
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_WHITENER = b"Mighty Aphrodite"
PASSWORD = "changeit"  # noqa: S105
"""Java's own default; a trust store holds no secret."""


def jks(certificates: str) -> bytes:
    """certificates: a PEM text; what is no certificate in it is left out."""
    found = [base64.b64decode(match) for match in _PEM.findall(certificates)]
    entries = b"".join(_entry(f"ca-{number}", der) for number, der in enumerate(found))
    body = struct.pack(">III", _MAGIC, _VERSION, len(found)) + entries
    return body + hashlib.sha1(PASSWORD.encode("utf-16-be") + _WHITENER + body, usedforsecurity=False).digest()


def _entry(alias: str, der: bytes) -> bytes:
    return struct.pack(">I", _TRUSTED) + _text(alias) + struct.pack(">q", 0) + _text("X.509") + struct.pack(">I", len(der)) + der


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()
