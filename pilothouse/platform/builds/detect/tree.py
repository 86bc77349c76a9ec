"""The view of a source tree that detection works on: file names and bounded file contents, nothing else.

A view never leads out of its folder: links are followed only while they stay inside. Folders that hold no source
(histories, environments, installed packages) are not entered.
"""

import bisect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOST_FILES = 20_000
MOST_DEPTH = 8
MOST_BYTES = 1 << 20
"""Of one file: what is longer is cut there."""
SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".tox", ".ruff_cache"}
)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Tree:
    """name: what messages call the tree. files: paths relative to it with `/`, sorted. read: the first MOST_BYTES of a file."""

    name: str
    files: tuple[str, ...]
    read: Callable[[str], bytes]
    folders: frozenset[str]

    @classmethod
    def of(cls, contents: Mapping[str, str | bytes], name: str = "the source") -> "Tree":
        """A tree of given contents by path."""
        data = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
        return cls(name, tuple(sorted(data)), lambda path: data[path][:MOST_BYTES], _folders(data))

    @classmethod
    def at(cls, folder: Path, name: str = "") -> "Tree":
        """The tree in a folder; raises OSError when the folder cannot be read."""
        root = folder.resolve(strict=True)
        files = tuple(sorted(_walk(root)))
        return cls(name or str(folder), files, lambda path: _head(root / path), _folders(files))

    def has(self, path: str) -> bool:
        """Whether there is a file of this path."""
        return _contains(self.files, path)

    def has_folder(self, path: str) -> bool:
        return path in self.folders

    def first(self, *paths: str) -> str:
        """The first of these files that is there; "" when none is."""
        return next((path for path in paths if self.has(path)), "")

    def text(self, path: str) -> str:
        """A file's text in the encoding that its byte order mark names, else UTF-8; "" when there is no such file."""
        if not self.has(path):
            return ""
        data = self.read(path)
        encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
        return data.decode(encoding, errors="replace")

    def inside(self, folder: str) -> Iterator[str]:
        """The files directly in a folder; "" is the root."""
        return (path for path in self.files if str(PurePosixPath(path).parent) == (folder or "."))

    def ending(self, *suffixes: str) -> Iterator[str]:
        return (path for path in self.files if path.endswith(suffixes))

    def mentions(self, pattern: "re.Pattern[str]", paths: Iterable[str]) -> bool:
        return any(pattern.search(self.text(path)) for path in paths)


def _contains(files: tuple[str, ...], path: str) -> bool:
    at = bisect.bisect_left(files, path)
    return at < len(files) and files[at] == path


def _folders(files: Iterable[str]) -> frozenset[str]:
    return frozenset(str(parent) for path in files for parent in PurePosixPath(path).parents if str(parent) != ".")


def _walk(root: Path) -> Iterator[str]:
    """Regular files, and links to regular files inside the root; at most MOST_FILES, nearest folders first."""
    left = MOST_FILES
    waiting = [(root, 0)]
    while waiting and left > 0:
        folder, depth = waiting.pop(0)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED and depth < MOST_DEPTH:
                    waiting.append((Path(entry.path), depth + 1))
            elif _is_inside(root, entry) and left > 0:
                left -= 1
                yield Path(entry.path).relative_to(root).as_posix()


def _is_inside(root: Path, entry: "os.DirEntry[str]") -> bool:
    if not entry.is_symlink():
        return entry.is_file()
    try:
        target = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return target.is_relative_to(root) and target.is_file()


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""
