"""A Procfile: `NAME: COMMAND` lines, as Heroku and Dokku read them."""

import re

from pilothouse.platform.builds.detect.plan import CannotDetect
from pilothouse.platform.builds.detect.tree import Tree

_LINE = re.compile(r"^([A-Za-z0-9_-]+)\s*:(?!//)\s*(.+)$")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$")


def procfile(tree: Tree) -> dict[str, str]:
    """Command lines by process name, in the file's order; {} when there is no Procfile. Raises CannotDetect."""
    found: dict[str, str] = {}
    for number, raw in enumerate(tree.text("Procfile").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        entry = _LINE.match(line)
        if entry is None:
            raise CannotDetect(f"Procfile line {number} is not `NAME: COMMAND`, such as `web: python app.py`: {line[:80]}")
        name = process_name(entry[1])
        if not _NAME.match(name):
            raise CannotDetect(f"Procfile line {number}: {entry[1]!r} cannot name a process: use at most 30 letters, digits and dashes")
        if name in found:
            raise CannotDetect(f"Procfile line {number}: {name} is there twice: give each process one line")
        found[name] = entry[2].strip()
    return found


def process_name(text: str) -> str:
    """As objects of the cluster are named: lower case, dashes for underscores."""
    return text.lower().replace("_", "-")
