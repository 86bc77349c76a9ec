"""requirements.txt as pip reads it: included files, constraints, local paths and names.

Source: pip's "Requirements File Format".
"""

import posixpath
import re
from dataclasses import dataclass, field

from pilothouse.platform.builds.detect.plan import CannotDetect
from pilothouse.platform.builds.detect.tree import Tree

MOST_INCLUDED = 50
_NAME = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:$|[<>=!~;@(,])")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_FILE_OPTION = re.compile(r"^(-r|--requirement|-c|--constraint)[\s=]*(.+)$")
_PATH_OPTION = re.compile(r"^(-e|--editable|-f|--find-links)[\s=]*(.+)$")
_DIRECT = re.compile(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*@\s*(\S+)")
_VCS = re.compile(r"(?:^|\s|@)git\+")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")


@dataclass(slots=True)
class Requirements:
    """files: what pip reads, the first one given by `-r`. local: files and folders of the tree that are installed from.

    names: normalised. root: the tree itself is installed. git: something comes from a Git repository.
    """

    files: list[str] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    root: bool = False
    git: bool = False


def normalised(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """The distribution that a requirement asks for, "" for a URL or a path."""
    found = _NAME.match(requirement.strip())
    return normalised(found[1]) if found else ""


def requirements(tree: Tree, path: str) -> Requirements:
    """Read a requirements file and all that it includes. Raises CannotDetect for a file that is absent or outside."""
    found = Requirements()
    _read(tree, path, found, counts=True)
    return found


def _read(tree: Tree, path: str, found: Requirements, *, counts: bool) -> None:
    """counts: its lines are installed (not a constraints file)."""
    if path in found.files:
        return
    if len(found.files) >= MOST_INCLUDED:
        raise CannotDetect(f"{path}: more than {MOST_INCLUDED} requirements files include each other")
    found.files.append(path)
    for line in _lines(tree.text(path)):
        if option := _FILE_OPTION.match(line):
            if "://" not in option[2]:
                included = _within(posixpath.join(posixpath.dirname(path), option[2].strip("\"' ")), path, line)
                if not tree.has(included):
                    raise CannotDetect(f"{path} includes {included}, which the source does not have: add it, or take the line `{line}` out")
                _read(tree, included, found, counts=counts and option[1] in ("-r", "--requirement"))
        elif counts:
            _requirement(tree, path, line, found)


def _lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n\s*", " ", text)
    return [line for raw in joined.splitlines() if (line := _COMMENT.sub("", raw).strip())]


def _requirement(tree: Tree, path: str, line: str, found: Requirements) -> None:
    if _VCS.search(line):
        found.git = True
    option = _PATH_OPTION.match(line)
    direct = _DIRECT.match(line)
    place = option[2] if option else direct[1] if direct else line.split(";")[0].strip()
    if direct or (not option and not _is_path(tree, place)):
        found.names |= {name} if (name := name_of(line)) else set()
    if _is_path(tree, place):
        _local(tree, path, line, re.sub(r"\[[^\]]*\]$", "", place.strip("\"'").removeprefix("file:")), found)


def _is_path(tree: Tree, place: str) -> bool:
    if "://" in place and not place.startswith("file:"):
        return False
    return place.startswith((".", "/", "file:")) or place.endswith(_ARCHIVES) or ("/" in place and tree.has_folder(place.strip("/")))


def _local(tree: Tree, path: str, line: str, place: str, found: Requirements) -> None:
    inside = _within(place, path, line)
    if inside == ".":
        found.root = True
    elif not tree.has(inside) and not tree.has_folder(inside):
        raise CannotDetect(f"{path} installs {inside}, which the source does not have: add it, or take the line `{line}` out")
    elif inside not in found.local:
        found.local.append(inside)


def _within(place: str, path: str, line: str) -> str:
    """pip reads a package's path from where it runs, which is the tree's root."""
    inside = posixpath.normpath(place)
    if inside.startswith(("..", "/")):
        raise CannotDetect(
            f"{path} refers to {place}, which lies outside the source (`{line}`): deploy the folder that holds both, with a Dockerfile"
        )
    return inside
