"""Why a server ended, from the last lines of its error log."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent.dialects.seam import ErrorLog

_LAST_BYTES = 16 << 10
_SAYS_NOTHING = ("Aborting",)
_NO_ROOM = ("out of disk space", "no space left on device", "disk is full", "disk full", "errcode: 28", "errno: 28")


def last_errors(form: ErrorLog, log: Path) -> list[str]:
    """Of the server that wrote last, the first one first; empty when it named none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    starts = [i for i, line in enumerate(lines) if form.start in line]
    found = [match.group(1) for line in lines[starts[-1] if starts else 0 :] if (match := form.line.match(line))]
    return [text for text in found if text not in _SAYS_NOTHING]


def sentence(code: int, form: ErrorLog, log: Path) -> str:
    """code: that the server ended with, see `process.Ended`. "" for a clean end."""
    if code == 0:
        return ""
    how = f"was ended by the signal {code - 128}" if code > 128 else f"ended with the code {code}"
    errors = last_errors(form, log)
    return f"the server {how}: {errors[0]}" if errors and code != 137 else f"the server {how}"


def is_untruncated(form: ErrorLog, log: Path) -> bool:
    """The server did not start because what it should take back cannot be taken back."""
    return bool(form.untruncated) and any(form.untruncated in text for text in last_errors(form, log))


def is_out_of_room(form: ErrorLog, log: Path) -> bool:
    """The server said before its end that its volume is full."""
    return any(sign in text.lower() for text in last_errors(form, log) for sign in _NO_ROOM)
