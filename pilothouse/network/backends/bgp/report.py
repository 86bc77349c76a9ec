"""What a node says of its sessions: a condition of its Node, and an annotation for `ph network bgp`. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model import bgp, meta
from pilothouse.model.json import Object
from pilothouse.network.backends.bgp.remarks import Remark
from pilothouse.network.backends.bgp.routers import PORT, RouterSession
from pilothouse.network.backends.bgp.sessions import NodeSession
from pilothouse.network.backends.bgp.states import SessionState

CONDITION = "BGPSessionsDown"
UP, DOWN, NO_BIRD, NOT_CHOSEN = "BGPSessionsUp", "BGPSessionsDown", "BIRDNotRunning", "BGPNotChosen"
REFUSED = "Refused"
"""In place of a session's state, of a BGPPeer that is not carried out."""
MOST_NAMED = 5
_CAUSES = (
    ("Connection refused", "nothing listens at TCP port {port} there"),
    ("No route to host", "the host is not there, or a firewall refuses TCP port {port}"),
    ("Network is unreachable", "this node has no route to it"),
    ("Bad peer AS", "one of the two has another AS number for the other than that has itself (here {own_as} and {remote_as})"),
    ("Hold timer expired", "it has said nothing for the hold time"),
    ("Connection rejected", "it does not expect a session with this node's address"),
    ("Cannot assign requested address", "this node does not have the address {local}"),
    ("Address already in use", "another program of this node listens at TCP port {listen_port}"),
    ("limit exceeded", "it announces more routes than it may"),
)
"""A part of BIRD's words, and what it means."""


@dataclass(frozen=True, slots=True)
class Line:
    """One session as it is. cause: a sentence's rest, "" while it is up."""

    kind: str
    peer: str
    address: str
    state: SessionState
    cause: str

    def data(self) -> dict[str, object]:
        return {
            "peer": self.peer,
            "kind": self.kind,
            "address": self.address,
            "state": self.state.state,
            "since": self.state.since,
            "imported": self.state.imported,
            "exported": self.state.exported,
            "error": self.cause,
        }


@dataclass(frozen=True, slots=True)
class Said:
    is_true: bool
    reason: str
    message: str


def lines(
    nodes: Iterable[NodeSession], routers: Iterable[RouterSession], states: Mapping[str, SessionState], *, as_number: int, port: int
) -> list[Line]:
    """port: at which nodes take each other's sessions."""
    found = []
    for node in nodes:
        state = states.get(node.name, SessionState(node.name, "Unknown"))
        facts = {"port": port, "listen_port": port, "own_as": as_number, "remote_as": as_number, "local": node.local}
        found.append(Line(bgp.NODE, node.node, str(node.address), state, _cause(state, facts)))
    for router in routers:
        state = states.get(router.name, SessionState(router.name, "Unknown"))
        facts = {
            "port": router.port,
            "listen_port": PORT,
            "own_as": router.own_as,
            "remote_as": router.remote_as,
            "local": router.local,
        }
        found.append(Line(bgp.ROUTER, router.peer, str(router.address), state, _cause(state, facts)))
    return found


def refused(peers: Iterable[Object], problems: Mapping[str, str]) -> tuple[Line, ...]:
    """BGPPeers without a session. problems: why, by name."""
    found = []
    for peer in peers:
        name, address = meta.name(peer), str((peer.get("spec") or {}).get("peerAddress") or "")
        if why := problems.get(name):
            found.append(Line(bgp.ROUTER, name, address, SessionState(f"refused {name}", REFUSED), why))
    return tuple(found)


def said(found: Sequence[Line], failure: str, remarks: Sequence[Remark] = ()) -> Said:
    """failure: why there is no BIRD, "" while it runs. A remark that is trouble makes the condition true where no session is down."""
    if failure:
        return Said(True, NO_BIRD, f"{failure}; routes stay as they are")
    told = _of_sessions(found)
    deciding = next((each for each in remarks if each.reason), None)
    message = "; ".join((told.message, *(each.text for each in remarks)))
    if told.is_true or deciding is None:
        return Said(told.is_true, told.reason, message)
    return Said(deciding.is_trouble, deciding.reason, message)


def _of_sessions(found: Sequence[Line]) -> Said:
    down = [each for each in found if not each.state.is_up]
    if not down:
        return Said(False, UP, f"all {len(found)} BGP sessions are up" if found else "there is nobody to speak BGP with")
    named = "; ".join(f"{each.peer} at {each.address}: {each.cause}" for each in down[:MOST_NAMED])
    more = f"; and {len(down) - MOST_NAMED} more" if len(down) > MOST_NAMED else ""
    return Said(True, DOWN, f"{len(down)} of {len(found)} BGP sessions are down: {named}{more}")


def _cause(state: SessionState, facts: Mapping[str, object]) -> str:
    if state.is_up:
        return ""
    for words, meaning in _CAUSES:
        if words in state.error:
            return f"{meaning.format(**facts)} ({state.error})"
    if state.error:
        return state.error
    return f"no answer: TCP port {facts['port']} may be blocked, or the password is another there".format(**facts)
