"""Why a server ended, from the last lines of its error log."""

import re
from pathlib import Path

_LAST_BYTES = 16 << 10
_LINE = re.compile(r"^\S+ +\S+ +\d+ \[(?:ERROR|FATAL)\] (.*)$")
_SAYS_NOTHING = ("Aborting",)
_NO_ROOM = ("out of disk space", "no space left on device", "disk is full", "disk full", "errcode: 28", "errno: 28")
_CANNOT_TRUNCATE = "Cannot truncate the binary log"


def last_errors(log: Path) -> list[str]:
    """Of the server that wrote last, the first one first; empty when it named none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    starts = [i for i, line in enumerate(lines) if "] Starting MariaDB" in line]
    found = [match.group(1) for line in lines[starts[-1] if starts else 0 :] if (match := _LINE.match(line))]
    return [text for text in found if text not in _SAYS_NOTHING]


def sentence(code: int, log: Path) -> str:
    """code: that the server ended with, see `process.Ended`. "" for a clean end."""
    if code == 0:
        return ""
    how = f"was ended by the signal {code - 128}" if code > 128 else f"ended with the code {code}"
    errors = last_errors(log)
    return f"the server {how}: {errors[0]}" if errors and code != 137 else f"the server {how}"


def is_untruncated(log: Path) -> bool:
    """The server did not start because what it should take back cannot be taken back."""
    return any(_CANNOT_TRUNCATE in text for text in last_errors(log))


def is_out_of_room(log: Path) -> bool:
    """The server said before its end that its volume is full."""
    return any(sign in text.lower() for text in last_errors(log) for sign in _NO_ROOM)
