"""Which Kubernetes the server speaks, and which server it is.

The program is not built from a commit: what stands in `gitCommit`, where clients expect hexadecimal digits, is a digest of its own files.
"""

import hashlib
import platform
from functools import cache
from pathlib import Path

import pilothouse
from pilothouse.model.json import Object
from pilothouse.model.version import KUBERNETES


def version_info() -> Object:
    major, minor, _ = KUBERNETES.lstrip("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"{KUBERNETES}+pilothouse",
        "gitCommit": digest(),
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": f"python{platform.python_version()}, pilothouse {pilothouse.__version__}",
        "platform": f"linux/{_architecture()}",
    }


@cache
def digest() -> str:
    """Of the program's files, 40 digits. Reading them takes a tenth of a second, once: see `Documents.prepare`."""
    folder = Path(pilothouse.__file__).parent
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:40]


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
