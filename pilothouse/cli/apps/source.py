"""A source tree on its way to a build: what .dockerignore leaves, as one gzipped tar that is the same for the same files."""

import gzip
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pilothouse.platform.builds.ignore import SECRETS, folder_rules, ignore_file, kept

_MTIME = 1_000_000_000
"""One time for every file, so that the archive, and with it the layer cache, depends on contents alone."""


def files(tree: Path, dockerfile: str = "Dockerfile") -> Iterator[Path]:
    """What belongs to the source, folders included, in a fixed order; links are kept as links.

    dockerfile: its path inside the tree; it and the file with its rules always belong to the source, for the builder to read.
    """
    ignored = ignore_file(tree, dockerfile)
    always = {dockerfile, ignored.relative_to(tree).as_posix() if ignored is not None else ""}
    for path, is_kept in kept(tree, folder_rules(tree, dockerfile)):
        if is_kept or path in always:
            yield tree / path


def secrets_left_out(tree: Path, dockerfile: str = "Dockerfile") -> list[str]:
    """The files such as `.env` that stay behind although no line of a .dockerignore says so."""
    rules = folder_rules(tree, dockerfile)
    names = [path.name for pattern in SECRETS for path in sorted(tree.glob(pattern)) if path.is_file()]
    return [name for name in dict.fromkeys(names) if rules.leaves_out(name)]


@contextmanager
def packed(tree: Path, dockerfile: str = "Dockerfile") -> Iterator[Path]:
    """The archive as a temporary file. dockerfile: its path inside the tree."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        path = Path(folder, "source.tar.gz")
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w") as tar,
        ):
            for file in files(tree, dockerfile):
                _add(tar, file, file.relative_to(tree).as_posix())
        yield path


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    try:
        tar.add(file, name, recursive=False, filter=_plain)
    except FileNotFoundError:
        return  # gone since it was listed, as editors' and compilers' temporary files go
    except OSError as error:
        raise click.ClickException(
            f"{file} cannot be read: {error.strerror}; give yourself the right to, or leave it out with a line in .dockerignore"
        ) from error


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Contents, name and mode only; sockets, devices and pipes are left out, set-user-id bits too."""
    if not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = _MTIME
    info.mode &= 0o777
    return info


def name_from(source: str) -> str:
    """An app's name from a folder's or a repository's: lower case letters, digits and dashes."""
    last = source.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    name = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-")
    if not name or not name[0].isalpha():
        raise click.UsageError(f"no app name can be made of {source!r}: give one with --name")
    return name
