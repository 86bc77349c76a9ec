"""How BIRD's sessions are, read from its answer to `show protocols all`. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ESTABLISHED = "Established"
_HEAD = re.compile(r"(\S+)\s+BGP\s+\S+\s+(\S+)\s+(\S+)\s*(.*)")
_ROUTES = re.compile(r"Routes:\s+(\d+) imported,(?: \d+ filtered,)? (\d+) exported")


@dataclass(slots=True)
class SessionState:
    """name: of the protocol. state: of RFC 4271, section 8.2.2, or Down where BIRD has given up. since: seconds since 1970; 0 unknown.

    error: the last one, "" while established.
    """

    name: str
    state: str
    since: int = 0
    imported: int = 0
    exported: int = 0
    error: str = ""

    @property
    def is_up(self) -> bool:
        return self.state == ESTABLISHED


def with_causes(found: dict[str, SessionState], before: Mapping[str, SessionState]) -> dict[str, SessionState]:
    """What a neighbour has said of why it wants no session counts until it says something else: afterwards it only closes connections."""
    for name, session in found.items():
        known = before.get(name)
        if known is not None and not session.is_up and _says_nothing(session.error) and not _says_nothing(known.error):
            session.error = known.error
    return found


def _says_nothing(error: str) -> bool:
    return error in ("", "Socket: Connection reset by peer", "Socket: Connection closed")


def states(lines: Iterable[str]) -> dict[str, SessionState]:
    """By the protocol's name; of the BGP ones."""
    found: dict[str, SessionState] = {}
    current: SessionState | None = None
    for line in lines:
        if line[:1].strip():
            head = _HEAD.match(line)
            current = None
            if head is not None:
                current = found[head[1]] = SessionState(head[1], "Down", int(head[3]) if head[3].isdigit() else 0)
        elif current is not None:
            _take(current, line.strip())
    return found


def _take(session: SessionState, line: str) -> None:
    label, _, value = line.partition(":")
    match label:
        case "BGP state":
            session.state = value.strip()
        case "Last error":
            session.error = value.strip()
        case "Routes":
            if counts := _ROUTES.match(line):
                session.imported, session.exported = int(counts[1]), int(counts[2])
    if session.is_up:
        session.error = ""
