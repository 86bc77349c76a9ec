"""The lines by which a build says where it is, in its log between the lines of its programs.

    ==> 4/9 line 7: RUN pip install -r requirements.txt
    <== 4/9 12.3 s
    <== 5/9 cached
    --- python:3-slim stands in ...

A reader folds a log by them. Standard library alone: the builder writes these lines.
"""

import re
from dataclasses import dataclass

_BEGUN = re.compile(r"^==> (?P<number>\S+)(?: line (?P<line>\d+))?: (?P<name>.+)$")
_ENDED = re.compile(r"^<== (?P<number>\S+) (?:(?P<cached>cached)|(?P<seconds>\d+(?:\.\d+)?) s)$")
_NOTE = re.compile(r"^--- (?P<text>.+)$")


@dataclass(frozen=True, slots=True)
class Begun:
    """number: `4/9`, `1:4/9` in the first of several stages, or the name of what the platform does, such as `push`. line: 0 for none."""

    number: str
    name: str
    line: int = 0

    def __str__(self) -> str:
        return f"==> {self.number}{f' line {self.line}' if self.line else ''}: {self.name}"


@dataclass(frozen=True, slots=True)
class Ended:
    number: str
    seconds: float
    cached: bool = False

    def __str__(self) -> str:
        return f"<== {self.number} {'cached' if self.cached else f'{self.seconds:.1f} s'}"


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence for the user."""

    text: str

    def __str__(self) -> str:
        return f"--- {self.text}"


Mark = Begun | Ended | Note


def parse(line: str) -> Mark | None:
    """None for a line of a program."""
    if found := _BEGUN.match(line):
        return Begun(found["number"], found["name"], int(found["line"] or 0))
    if found := _ENDED.match(line):
        return Ended(found["number"], float(found["seconds"] or 0), bool(found["cached"]))
    if found := _NOTE.match(line):
        return Note(found["text"])
    return None
