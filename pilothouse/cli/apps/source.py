"""A source tree on its way to a build: what .dockerignore leaves, as one gzipped tar that is the same for the same files."""

import gzip
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_USUALLY_OUT = (".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".tox", ".DS_Store")
_CLASS = re.compile(r"\[(\^?)((?:[^\]\[\\^]|\\.)+)\]")
_MTIME = 1_000_000_000
"""One time for every file, so that the archive, and with it the layer cache, depends on contents alone."""


class Ignore:
    """The patterns of a .dockerignore: the last one that matches a path or one of its parents decides."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [(not line.startswith("!"), _pattern(line.lstrip("!"))) for line in lines if line and not line.startswith("#")]
        self.has_exceptions = any(not out for out, _ in self._rules)

    def leaves_out(self, path: str) -> bool:
        parts = path.split("/")
        prefixes = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        out = False
        for excludes, pattern in self._rules:
            if any(pattern.fullmatch(prefix) for prefix in prefixes):
                out = excludes
        return out


def _pattern(text: str) -> "re.Pattern[str]":
    """Go's filepath.Match with `**`, rooted at the context."""
    out, rest = "", text.strip().strip("/").removeprefix("./")
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif found := _CLASS.match(rest):
            out, rest = out + f"[{'^/' if found[1] else ''}{found[2]}]", rest[found.end() :]
        elif rest[0] == "\\" and len(rest) > 1:
            out, rest = out + re.escape(rest[1]), rest[2:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return re.compile(out)


def files(tree: Path) -> Iterator[Path]:
    """What belongs to the source, sorted; links are kept as links.

    A .dockerignore decides as it does for Docker; a tree without one leaves out what is never meant: histories, caches,
    environments.
    """
    ignored = tree / ".dockerignore"
    rules = Ignore(ignored.read_text() if ignored.is_file() else "\n".join(f"**/{name}" for name in _USUALLY_OUT))
    for folder, names, plain in os.walk(tree):
        place = Path(folder)
        names[:] = sorted(n for n in names if rules.has_exceptions or not rules.leaves_out(_relative(tree, place / n)))
        links = [n for n in names if (place / n).is_symlink()]
        for name in sorted([*plain, *links]):
            path = place / name
            if name in ("Dockerfile", ".dockerignore") or not rules.leaves_out(_relative(tree, path)):
                yield path


def _relative(tree: Path, path: Path) -> str:
    return path.relative_to(tree).as_posix()


@contextmanager
def packed(tree: Path) -> Iterator[Path]:
    """The archive as a temporary file."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        path = Path(folder, "source.tar.gz")
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w") as tar,
        ):
            for file in files(tree):
                tar.add(file, _relative(tree, file), recursive=False, filter=_plain)
        yield path


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Contents, name and mode only; sockets, devices and pipes are left out."""
    if not (info.isfile() or info.issym() or info.islnk()):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = _MTIME
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    return info


def is_git_url(text: str) -> bool:
    return text.startswith(("https://", "http://", "ssh://", "git://", "git@", "file://")) or text.endswith(".git")


def name_from(source: str) -> str:
    """An app's name from a folder's or a repository's: lower case letters, digits and dashes."""
    last = source.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    name = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-")
    if not name or not name[0].isalpha():
        raise click.UsageError(f"no app name can be made of {source!r}: give one with --name")
    return name
