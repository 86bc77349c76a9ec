"""Volumes that are nearly full (pure)."""

from collections.abc import Iterable

from pilothouse.platform.databases.mysql.topology.member import Member

NEARLY_FULL, ENOUGH = 0.85, 0.80
"""Of a volume, used: from the first on it is said, until there is less than the second."""


def crowded(members: Iterable[Member], *, was_said: bool) -> list[str]:
    """Those whose volume is nearly full, by name. was_said: whether it is said of one of the instance now."""
    most = ENOUGH if was_said else NEARLY_FULL
    return [each.name for each in members if each.is_heard and used(each) >= most]


def used(member: Member) -> float:
    """A part of one; 0 when it is not known."""
    disk = (member.state or {}).get("disk") or {}
    size = disk.get("size") or 0
    return 1 - (disk.get("free") or 0) / size if size else 0.0


def sentence(instance: str, names: Iterable[str]) -> str:
    return f"nearly full: the volume of {', '.join(names)}: ph mysql resize {instance} --size SIZE makes it larger while it is in use"
