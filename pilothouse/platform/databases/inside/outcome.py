"""How a Job ends: one JSON document as its termination message, which Kubernetes cuts at 4,096 bytes."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOM = 4000
FINAL = 3
"""Exit code of a Job that another attempt would not help."""
_LONGEST = 1200


class Failure(Exception):
    """reason: CamelCase, for a condition. final: another attempt would not help."""

    def __init__(self, reason: str, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.reason, self.message, self.final = reason, message, final


def carry_out(environ: Mapping[str, str], work: Callable[[], Mapping[str, object]]) -> int:
    """Do it, leave its result or its failure as the termination message, and return the exit code."""
    try:
        found: dict[str, object] = {"reason": "", "message": "", **work()}
        code = 0
    except Failure as failure:
        say(failure.message)
        found = {"reason": failure.reason, "message": failure.message[:_LONGEST]}
        code = FINAL if failure.final else 1
    _leave(Path(environ.get("TERMINATION", "/dev/termination-log")), found)
    return code


def say(line: str) -> None:
    """To the Job's log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(place: Path, found: Mapping[str, object]) -> None:
    text = json.dumps(found, separators=(",", ":"))
    place.write_text(text[:ROOM] if len(text) <= ROOM else "{}")
