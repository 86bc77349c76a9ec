"""Which members have to be made anew, and whose turn it is (pure).

A pod whose template has changed in what a server cannot take while it runs is deleted, one at a time: replicas first, each only while
every other member is well and near the primary, and the primary when it is primary no more, or has no replica. One that cannot run as it
was made, and whose server does not answer, goes before all others.
"""

from collections.abc import Collection, Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.switchover import NEAR_S

NEAR = 2000
"""Transactions that a replica may lack, by words that may be a second old. If the one that acknowledges lacked more, commits would wait
until it has received them.
"""


def outdated(found: Mapping[str, Object], state: str) -> list[str]:
    """found: pods by name. state: see `pods.state`."""
    return [name for name, pod in found.items() if not meta.is_deleting(pod) and meta.annotations(pod).get(labels.STATE) != state]


def leaving(standing: Standing, old: list[str], members: Mapping[str, Member]) -> str:
    """The member to be made anew next, which should neither be primary nor acknowledge by then: a replica, and the primary after all of
    them. "" while another one is not well: else the last one that acknowledges would be told to cease, and writes would wait.
    """
    replicas = [name for name in old if name != standing.primary]
    name = next(iter(replicas or old), "")
    return name if all(_is_well(standing, member, members) for member in _others(name, members).values()) else ""


def due(standing: Standing, old: list[str], members: Mapping[str, Member], broken: Collection[str] = ()) -> str:
    """The member whose pod may be deleted now; "" for none. broken: those that do not run, and will not as their pods are."""
    hopeless = next((name for name in old if name in broken), "")
    if hopeless:
        return hopeless
    name = leaving(standing, old, members)
    others = _others(name, members)
    if not name or (name == standing.primary and others):
        return ""
    return name if _is_spared(standing, members[name], others) else ""


def _others(name: str, members: Mapping[str, Member]) -> dict[str, Member]:
    return {each: member for each, member in members.items() if each != name}


def _is_well(standing: Standing, member: Member, members: Mapping[str, Member]) -> bool:
    primary = members.get(standing.primary)
    if member.name == standing.primary or primary is None:
        return member.is_writable
    if (member.lag_s or 0.0) > NEAR_S or member.received.lacks(primary.executed) > NEAR:
        return False
    acknowledges = member.acknowledges or member.name not in standing.acknowledging or not standing.durable
    return member.follows(standing.primary) and member.is_intact and acknowledges


def _is_spared(standing: Standing, member: Member, others: Mapping[str, Member]) -> bool:
    """Whether no commit waits for its acknowledgement: it gives none any more, and the primary hears those of another."""
    primary = others.get(standing.primary)
    if not standing.durable or primary is None:
        return True
    heard = int(((primary.state or {}).get("semi_sync") or {}).get("acknowledging") or 0)
    # More than acknowledge now: the primary has not noticed yet that this one does no longer, and who is left may not be among them.
    return not member.acknowledges and 0 < heard <= sum(other.acknowledges for other in others.values())
