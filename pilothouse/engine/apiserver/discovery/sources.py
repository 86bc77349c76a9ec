"""Digests of the program's own files: they name what is running where there is no commit to name, and tell clients that documents which
they have kept were written by another version of it.
"""

import hashlib
from functools import cache
from pathlib import Path


@cache
def digest(*folders: Path) -> str:
    """Of all Python files below the folders, 40 hexadecimal digits. Those of the whole program take a tenth of a second, once."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:40]
