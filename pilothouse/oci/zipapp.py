"""Parts of a Python package as one zip archive that a Python runs by itself, for containers whose image knows nothing of it."""

import io
import zipfile
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable

_TIME = (1980, 1, 1, 0, 0, 0)


def bundle(package: str, program: str, *, folders: Iterable[str], modules: Iterable[str] = ()) -> bytes:
    """The same bytes for the same code.

    package: such as `pilothouse.platform.builds`; its own modules and those above it come as empty ones. program: the folder in it that
    is run. folders, modules: in it, what the program imports; a module by its file's name.
    """
    parts = package.split(".")
    root, place = resources.files(package), "/".join(parts)
    files = {"__main__.py": f"import runpy\nrunpy.run_module('{package}.{program}', run_name='__main__', alter_sys=True)\n"}
    files |= {"/".join([*parts[: end + 1], "__init__.py"]): "" for end in range(len(parts))}
    files |= {f"{place}/{name}": root.joinpath(name).read_text() for name in modules}
    for folder in folders:
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
