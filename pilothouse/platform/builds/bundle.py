"""The program of a build's containers as one zip archive that a Python runs by itself."""

import functools
import io
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable

PACKAGE = "pilothouse.platform.builds"
MODULES = (
    "dockerfile.py",
    "failure.py",
    "ignore.py",
    "outcome.py",
    "progress.py",
    "stand_ins/__init__.py",
    "stand_ins/reference.py",
    "variables.py",
)
FOLDERS = ("detect", "git", "inside")
_START = f"import runpy\nrunpy.run_module('{PACKAGE}.inside', run_name='__main__', alter_sys=True)\n"
_TIME = (1980, 1, 1, 0, 0, 0)


@functools.cache
def bundle() -> bytes:
    """The same bytes for the same code."""
    files = {"__main__.py": _START}
    parts = PACKAGE.split(".")
    files |= {"/".join([*parts[: i + 1], "__init__.py"]): "" for i in range(len(parts))}
    root = resources.files(PACKAGE)
    place = "/".join(parts)
    files |= {f"{place}/{name}": root.joinpath(name).read_text() for name in MODULES}
    for folder in FOLDERS:
        files |= _texts(root.joinpath(folder), f"{place}/{folder}")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _TIME), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _texts(folder: Traversable, place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            found |= _texts(entry, f"{place}/{entry.name}")
        elif entry.name.endswith(".py"):
            found[f"{place}/{entry.name}"] = entry.read_text()
    return found
