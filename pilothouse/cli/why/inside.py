"""What can be seen inside a pod: on which ports its programs listen, and the last that they printed (pure).

Source: proc(5), /proc/net/tcp: addresses as hexadecimal words in the machine's byte order, state 0A for a listening socket.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_LISTEN = "0A"
_LOOPBACK = re.compile(r"0100007F|00000000000000000000000001000000|0000000000000000FFFF00000100007F")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception|Exit|Configured|NotFound|Refused)\b(?::|$)")
"""The line with which a traceback of Python or Node ends, or begins."""
_WORKER_ENDED = re.compile(r"\b(?:worker|child)\b.*\b(?:exited|died|failed|killed|terminated)\b", re.IGNORECASE)
"""What gunicorn, uvicorn and php-fpm say of it."""
_NUMBER = re.compile(r"\d+")
"""Times and process ids, in which the lines differ."""
_AGAIN_AND_AGAIN = 3


_VERSION = re.compile(r"^Node\.js v\d")
"""What Node ends with, whatever the fault."""
_KEY = re.compile(r"^KeyError: '([A-Z][A-Z0-9_]+)'$")
_FIELDS = re.compile(r"\bvalidation errors? for \w+$")
_NAMED = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Configured)\b.*?(?:"
    r"\b(?P<a>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)\b['\"`]? (?:not found\. Declare it as envvar|environment variable)"
    r"|[Ee]nvironment variable:? ['\"`]?(?P<b>[A-Z][A-Z0-9_]+)\b)"
)
"""How a program says that it has no variable of a name: python-decouple, django-environ, and what people write themselves."""


def missing_variable(lines: Sequence[str]) -> str:
    """The environment variable that a program ended for the lack of; "" when none is named. lines: the last that it printed."""
    for line in reversed([line.strip() for line in lines]):
        if (key := _KEY.match(line)) and any("environ" in each for each in lines):
            return key[1]
        if named := _NAMED.search(line):
            return named["a"] or named["b"]
    return ""


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    port: int
    is_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """listeners: None when they could not be seen. lines: the last that its container printed, the crashed one if there is one."""

    listeners: Sequence[Listener] | None = None
    lines: Sequence[str] = ()

    @property
    def repeated_failure(self) -> str:
        """What ends the workers of a server whose master starts them again, printed three times or more; "" for nothing.

        The exception where one is printed, else what the master says of their end.
        """
        for pattern in (_EXCEPTION, _WORKER_ENDED):
            said = [line.strip() for line in self.lines if pattern.search(line.strip())]
            alike, times = Counter(_NUMBER.sub("", line) for line in said).most_common(1)[0] if said else ("", 0)
            if times >= _AGAIN_AND_AGAIN:
                return next(line for line in reversed(said) if _NUMBER.sub("", line) == alike)
        return ""

    @property
    def telling_line(self) -> str:
        """The one that says what went wrong: the exception of the last traceback, else the last line; "" for none."""
        said = [line.strip() for line in self.lines if line.strip() and not _VERSION.match(line)]
        at = next((i for i in range(len(said) - 1, -1, -1) if _EXCEPTION.match(said[i])), len(said) - 1)
        # Pydantic names the field, and what is wrong with it, on lines of their own.
        more = said[at + 1 : at + 3] if said and _FIELDS.search(said[at]) else []
        return ": ".join([said[at], *(each.partition(" [type=")[0] for each in more)]) if said else ""

    @property
    def missing_variable(self) -> str:
        return missing_variable(self.lines)


def telling_lines(lines: Sequence[str], most: int) -> list[str]:
    """The last of what was printed, or what stands from the last exception on where that is higher up, as Node has it."""
    at = next((i for i in range(len(lines) - 1, -1, -1) if _EXCEPTION.match(lines[i].strip())), len(lines))
    start = min(at, max(0, len(lines) - most))
    return list(lines[start : start + most])


def listeners(table: str) -> list[Listener]:
    """From the text of /proc/net/tcp, of /proc/net/tcp6 or of both. A port that also listens elsewhere is not on loopback only."""
    found: dict[int, bool] = {}
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4 or words[3] != _LISTEN:
            continue
        address, _, port = words[1].partition(":")
        number = int(port, 16)
        found[number] = found.get(number, True) and _LOOPBACK.fullmatch(address) is not None
    return sorted(Listener(port, is_loopback) for port, is_loopback in found.items())
