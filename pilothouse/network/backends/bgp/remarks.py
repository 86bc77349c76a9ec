"""What a node says of its BGP beside how its sessions are: what is set is carried out otherwise than one may expect. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.network.backends.bgp.routers import RouterSession
from pilothouse.network.backends.bgp.sessions import NodeSession, in_force, reaches_out
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Network, is_inside
from pilothouse.network.backends.seam import View

NO_REFLECTOR, NO_NODE_SESSIONS = "NoRouteReflector", "NoNodeSessions"
MOST_NAMED, MOST_SHOWN = 5, 200
"""Routers or networks that are named, and characters of a selector that are shown."""


@dataclass(frozen=True, slots=True)
class Remark:
    """reason: of the node's condition, "" where it does not decide that. is_trouble: whether nodes do not reach each other by BGP."""

    text: str
    reason: str = ""
    is_trouble: bool = False


def remarks(
    view: View, settings: BGPSettings, nodes: Sequence[NodeSession], routers: Sequence[RouterSession], kept: Sequence[Network] = ()
) -> tuple[Remark, ...]:
    """settings: as they are set. nodes, routers: with which this node speaks. kept: networks of pods and Services."""
    found = _of_nodes(view, settings, nodes, routers)
    accepted = _of_accepted(settings, kept)
    return tuple(each for each in (found, accepted) if each is not None)


def _of_accepted(settings: BGPSettings, kept: Sequence[Network]) -> Remark | None:
    """Of networks from which nothing is taken although they are accepted."""
    found = [f"{each} (inside {other})" for each in settings.accepted for other in kept if is_inside(each, other)]
    if not found:
        return None
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return Remark(f"nothing of acceptedNetworks {', '.join(found[:MOST_NAMED])}{more} is taken from routers: pods and Services are there")


def _of_nodes(view: View, settings: BGPSettings, nodes: Sequence[NodeSession], routers: Sequence[RouterSession]) -> Remark | None:
    """Of sessions between nodes."""
    actual = in_force(view, settings)
    if actual.reflectors is not None or (settings.reflectors is None and actual.node_mesh):
        return None
    missing = _missing(settings)
    if actual.node_mesh:
        return Remark(f"{missing}: every node has a session with every other one, as without routeReflectors", NO_REFLECTOR)
    spoken = {each.node for each in nodes}
    is_alone = all(peer.name in spoken for peer in view.peers.values() if peer.through == peer.name)
    # A node within its machine reaches all others by that one's first node, whatever is set.
    if view.own is None or is_alone or any(reaches_out(view.own, peer, actual) for peer in view.peers.values()):
        return None
    text = f"nodeMesh is false, and {missing}: nodes have no BGP sessions with each other"
    told = sorted({each.peer for each in routers}) if settings.announces_pods else []
    if told:
        more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
        text += (
            f", and their pods are reached as far as the routers lead there that are told of them ({', '.join(told[:MOST_NAMED])}{more})"
        )
        return Remark(text, NO_NODE_SESSIONS)
    return Remark(f"{text}, and do not reach each other's pods by BGP: set spec.bgp.nodeMesh to true", NO_NODE_SESSIONS, is_trouble=True)


def _missing(settings: BGPSettings) -> str:
    """Why nodes have no reflector."""
    if settings.reflectors is None:
        return "there are no routeReflectors"
    if settings.selector_problem:
        return f"the nodeSelector of routeReflectors is not understood ({_cut(settings.selector_problem)})"
    return f"no node has the labels of routeReflectors ({_cut(str(settings.reflectors))})"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
