"""Which Kubernetes the server speaks, and which server it is.

The program is not built from a commit: what stands in `gitCommit`, where clients expect hexadecimal digits, is a digest of its own files.
"""

import platform
from pathlib import Path

import pilothouse
from pilothouse.engine.apiserver.discovery import sources
from pilothouse.model.json import Object
from pilothouse.model.version import KUBERNETES

PROGRAM = Path(pilothouse.__file__).parent


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
        "gitCommit": sources.digest(PROGRAM),
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": f"python{platform.python_version()}, pilothouse {pilothouse.__version__}",
        "platform": f"linux/{_architecture()}",
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
