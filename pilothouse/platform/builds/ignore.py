"""Which files of a source tree a build sees: .dockerignore as BuildKit reads it.

Applied where a folder is packed for its upload, and in the builder for what comes from Git. Standard library alone, since it also
runs inside the builder. Source: the rules of moby/patternmatcher, last match wins.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

_CLASS = re.compile(r"\[(\^?)((?:[^\]\[\\^]|\\.)+)\]")
NEVER_MEANT = (".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".tox", ".DS_Store")
"""Left out of a folder that has no .dockerignore: histories, environments, caches."""
SECRETS = (".env", ".env.local", ".env.*.local")
"""Left out of a folder unless a `!` line of its .dockerignore takes them back."""


class Ignore:
    """The patterns of a .dockerignore: the last one that matches a path or one of its parents decides."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if not line.startswith("#")]
        self._rules = [(not line.startswith("!"), path_pattern(line.removeprefix("!"))) for line in lines if line.strip("!")]
        self.has_exceptions = any(not out for out, _ in self._rules)

    def leaves_out(self, path: str) -> bool:
        parts = path.split("/")
        prefixes = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        out = False
        for excludes, pattern in self._rules:
            if excludes != out and any(pattern.fullmatch(prefix) for prefix in prefixes):
                out = excludes
        return out


def path_pattern(text: str) -> "re.Pattern[str]":
    """Go's filepath.Match with `**`, rooted at the context."""
    out, rest = "", posixpath.normpath(text.strip()).strip("/")
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
    return re.compile(out, re.DOTALL)


def ignore_file(tree: Path, dockerfile: str = "Dockerfile") -> Path | None:
    """The Dockerfile's own `NAME.dockerignore` goes before the tree's. dockerfile: its path inside the tree."""
    for path in (tree / f"{dockerfile}.dockerignore", tree / ".dockerignore"):
        if path.is_file():
            return path
    return None


def rules_of(tree: Path, dockerfile: str = "Dockerfile") -> Ignore | None:
    """None when the tree has no such file. Bytes that are no UTF-8 match as they stand in file names."""
    path = ignore_file(tree, dockerfile)
    return Ignore(os.fsdecode(path.read_bytes())) if path is not None else None


def folder_rules(tree: Path, dockerfile: str = "Dockerfile") -> Ignore:
    """The rules for a folder of a user's machine, which holds more than its source."""
    path = ignore_file(tree, dockerfile)
    never_meant = "\n".join(f"**/{name}" for name in NEVER_MEANT)
    text = os.fsdecode(path.read_bytes()).removeprefix("\ufeff") if path is not None else never_meant
    return Ignore("\n".join([*(f"**/{name}" for name in SECRETS), text]))


def kept(tree: Path, rules: Ignore) -> Iterator[tuple[str, bool]]:
    """(path inside the tree, whether the rules keep it) in a fixed order, a folder before what is in it.

    A folder that is left out is looked into only where some rule brings files back.
    """
    for folder, names, plain in os.walk(tree):
        place = posixpath.relpath(folder, tree)
        below = "" if place == "." else f"{place}/"
        names.sort()
        for name in sorted([*plain, *names]):
            yield f"{below}{name}", not rules.leaves_out(f"{below}{name}")
        names[:] = [
            n
            for n in names
            if not os.path.islink(os.path.join(folder, n)) and (rules.has_exceptions or not rules.leaves_out(f"{below}{n}"))
        ]
