"""What can be seen inside a pod: on which ports its programs listen, and the last that they printed (pure).

Source: proc(5), /proc/net/tcp: addresses as hexadecimal words in the machine's byte order, state 0A for a listening socket.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_LISTEN = "0A"
_LOOPBACK = re.compile(r"0100007F|00000000000000000000000001000000|0000000000000000FFFF00000100007F")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Configured|NotFound|Refused)\b(?::|$)")
"""The line with which a traceback of Python or Node ends, or begins."""
_WORKER_ENDED = re.compile(r"\b(?:worker|child)\b.*\b(?:exited|died|failed|killed|terminated)\b", re.IGNORECASE)
"""What gunicorn, uvicorn and php-fpm say of it."""
_NUMBER = re.compile(r"\d+")
"""Times and process ids, in which the lines differ."""
_AGAIN_AND_AGAIN = 3


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
        said = [line.strip() for line in self.lines if line.strip()]
        return next((line for line in reversed(said) if _EXCEPTION.match(line)), said[-1] if said else "")


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
