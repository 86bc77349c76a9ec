"""A store in a folder, such as a mounted volume."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from pilothouse.platform.databases.inside.store.seam import Entry, Missing, Reader, StoreError, Writer

_UNFINISHED = ".unfinished-"


class VolumeStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str) -> Writer:
        with _told("cannot be written"):
            return _VolumeWriter(self._folder / name, self._folder)

    def read(self, name: str) -> Reader:
        try:
            with _told("cannot be read"):
                return open(self._folder / name, "rb", buffering=0)
        except FileNotFoundError:
            raise Missing(name) from None

    def entries(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        with _told("cannot be listed"):
            found = sorted(_files(self._folder, self._folder / prefix))
        for name in found:
            if name.startswith(prefix) and name > after:
                with contextlib.suppress(FileNotFoundError):
                    yield Entry(name, (self._folder / name).stat().st_size)

    def delete(self, name: str) -> None:
        path = self._folder / name
        with _told("cannot be written"):
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self._folder).parents:
                if not _removed(self._folder / folder, self._folder):
                    break

    def tidy(self, prefix: str) -> None:
        with _told("cannot be written"):
            for path in self._folder.rglob(f"{_UNFINISHED}*"):
                if path.relative_to(self._folder).as_posix().startswith(prefix):
                    path.unlink(missing_ok=True)


class _VolumeWriter:
    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        path.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished = path.parent / f"{_UNFINISHED}{secrets.token_hex(6)}"
        self._file = open(self._unfinished, "xb", buffering=0)  # noqa: SIM115 -- commit and abort close it

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        with _told("cannot be written"):
            while left:
                left = left[self._file.write(left) :]

    def commit(self) -> None:
        with _told("cannot be written"):
            os.fsync(self._file.fileno())
            self._file.close()
            self._unfinished.rename(self._path)
            for folder in (self._path.parent, *self._path.parent.parents):
                _sync(folder)
                if folder == self._root:
                    break

    def abort(self) -> None:
        with _told("cannot be written"):
            self._file.close()
            self._unfinished.unlink(missing_ok=True)


def _files(root: Path, prefix: Path) -> Iterator[str]:
    """Names under the folder that the prefix lies in."""
    start = prefix if prefix.is_dir() else prefix.parent
    for folder, _, names in os.walk(start):
        for name in names:
            if not name.startswith(_UNFINISHED):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _removed(folder: Path, root: Path) -> bool:
    """Whether an empty folder below the root has gone."""
    if folder == root:
        return False
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError("StoreFull", "the store's volume is full: give it more room, or keep fewer backups") from error
        refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        raise StoreError("StoreRefused" if refused else "StoreFailed", f"the store's volume {what}: {error.strerror}") from error
