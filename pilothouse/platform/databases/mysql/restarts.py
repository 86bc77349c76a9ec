"""Which members have to be made anew, and whose turn it is (pure).

A pod whose template has changed in what a server cannot take while it runs is deleted, one at a time: replicas first, each only while
every other member is well, and the primary when it is primary no more, or has no replica.
"""

from collections.abc import Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.topology.member import Member


def outdated(found: Mapping[str, Object], state: str) -> list[str]:
    """found: pods by name. state: see `pods.state`."""
    return [name for name, pod in found.items() if not meta.is_deleting(pod) and meta.annotations(pod).get(labels.STATE) != state]


def leaving(primary: str, old: list[str]) -> set[str]:
    """Who should not be primary: the next replica to be made anew, and the primary once all replicas are as they are wanted."""
    replicas = [name for name in old if name != primary]
    return set(replicas[:1] or old)


def due(primary: str, old: list[str], members: Mapping[str, Member]) -> str:
    """The member whose pod may be deleted now; "" for none."""
    others = {name: member for name, member in members.items() if name not in leaving(primary, old)}
    name = next(iter(leaving(primary, old)), "")
    if not name or (name == primary and others):
        return ""
    return name if all(_is_well(primary, member) for member in others.values()) else ""


def _is_well(primary: str, member: Member) -> bool:
    return member.is_writable if member.name == primary else member.follows(primary) and member.is_intact
