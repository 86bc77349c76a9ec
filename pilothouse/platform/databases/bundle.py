"""The programs of an instance's pods as one zip archive that a Python runs by itself."""

import functools
import io
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable

PACKAGE = "pilothouse.platform.databases"
FOLDERS = ("inside",)
_START = f"import runpy\nrunpy.run_module('{PACKAGE}.inside', run_name='__main__', alter_sys=True)\n"
_TIME = (1980, 1, 1, 0, 0, 0)


@functools.cache
def bundle() -> bytes:
    """The same bytes for the same code."""
    parts = PACKAGE.split(".")
    files = {"__main__.py": _START} | {"/".join([*parts[: i + 1], "__init__.py"]): "" for i in range(len(parts))}
    for folder in FOLDERS:
        files |= _texts(resources.files(PACKAGE).joinpath(folder), "/".join([*parts, folder]))
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
