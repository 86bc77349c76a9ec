"""What a change of an instance's spec does to its clients, before it is made (pure).

The rules are those by which the controller works: resources change in place, members are started anew one by one with the primary last,
and a primary with replicas is switched over before it ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import parse
from pilothouse.platform.databases.mysql import versions
from pilothouse.platform.databases.mysql.images import satisfies
from pilothouse.platform.databases.mysql.impact import gaps, policy
from pilothouse.platform.databases.mysql.impact.undo import undo
from pilothouse.platform.databases.mysql.parameters.check import need_restart
from pilothouse.platform.databases.pattern.impact import Impact, together


def impact(now: Object, wanted: Object) -> Impact:
    """now, wanted: MySQL objects, the first with its status. Only what differs in their specs counts."""
    return together(_impacts(now, wanted), undo=undo(now, wanted))


def _impacts(now: Object, wanted: Object) -> Iterator[Impact]:
    before, after = now["spec"], wanted["spec"]
    yield Impact(notes=tuple(policy.notes(before, after)))
    if bool(before.get("suspended")) != bool(after.get("suspended")):
        yield _suspended(now) if after.get("suspended") else Impact(notes=("it answers again when its members have started",))
        return
    if before.get("suspended"):
        if not policy.is_all(before, after):
            yield Impact(notes=("it is suspended: the change counts when it is resumed",))
        return
    yield from _growth(now, before, after)
    yield from _members(now, before, after)
    yield from _restarts(now, before, after)
    if later := _after_restart(before, after):
        yield Impact(
            notes=(
                f"{', '.join(later)}: the server reads it at its start alone, so that it counts after `ph mysql restart {meta.name(now)}`",
            )
        )
    if before.get("rotatedAt") != after.get("rotatedAt"):
        yield Impact(notes=("sessions that are open go on; new ones may use either password, the one before for an hour",))
    if before.get("reseed") != after.get("reseed"):
        yield Impact((after["reseed"]["member"],), notes=("what it alone has is thrown away",))
    if before.get("switchover") != after.get("switchover"):
        yield _moved(now, after.get("switchover") or {})


def _suspended(now: Object) -> Impact:
    sessions = "all sessions end and nothing answers until it is resumed; the volumes stay"
    return Impact(read_only_seconds=None, notes=(sessions,))


def _growth(now: Object, before: Object, after: Object) -> Iterator[Impact]:
    memory = [parse((spec.get("resources") or {}).get("memory", "0")).amount for spec in (before, after)]
    if memory[1] < memory[0]:
        yield Impact(notes=("the server's cache is made smaller first: what was in it is read from the disk again",))
    if parse(before.get("size", "0")).amount != parse(after.get("size", "0")).amount:
        online = "volumes grow while they are in use, where their storage class can do that; else members are started anew one by one"
        yield Impact(notes=(online, "a volume is never made smaller again"))


def _members(now: Object, before: Object, after: Object) -> Iterator[Impact]:
    had, wanted = before.get("replicas", 1), after.get("replicas", 1)
    name = meta.name(now)
    if wanted > had:
        yield Impact(notes=(f"{_listed(_names(name, had, wanted))} copied from a member that goes on serving",))
    if wanted < had:
        gone = _names(name, wanted, had)
        primary = (now.get("status") or {}).get("primary", "")
        moved = gaps.switchover(now) if primary in gone else Impact()
        notes = [f"{primary} is the primary, and another one takes over first"] if primary in gone else []
        yield replace(moved, notes=(*notes, f"{_listed(gone)} ended"))


def _names(name: str, start: int, end: int) -> list[str]:
    return [f"{name}-{number}" for number in range(start, end)]


def _listed(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


def _restarts(now: Object, before: Object, after: Object) -> Iterator[Impact]:
    running, version = (now.get("status") or {}).get("version") or "", after.get("version", "")
    if _server(before) == _server(after):
        pass
    elif before.get("image") == after.get("image") and version and running and satisfies(running, version):
        yield Impact(notes=(f"it runs {running} already",))
    else:
        notes = ("each member runs the other version before the next one begins", *versions.one_way(now))
        yield replace(_gap(now), restarts=order(now), notes=notes)
    if before.get("restartedAt") != after.get("restartedAt"):
        yield replace(_gap(now), restarts=order(now))


def _server(spec: Object) -> tuple[str, str]:
    return spec.get("version") or "", spec.get("image") or ""


def _after_restart(before: Object, after: Object) -> list[str]:
    return need_restart(after.get("flavour", "mariadb"), before.get("parameters") or {}, after.get("parameters") or {})


def order(now: Object) -> tuple[str, ...]:
    """The members in the order in which they are started anew: the primary last."""
    status = now.get("status") or {}
    known = [each["name"] for each in status.get("members") or ()] or _names(meta.name(now), 0, now["spec"].get("replicas", 1))
    return tuple(sorted(known, key=lambda name: (name == status.get("primary"), name)))


def _gap(now: Object) -> Impact:
    return gaps.switchover(now) if now["spec"].get("replicas", 1) > 1 else gaps.restart()


def _moved(now: Object, asked: Object) -> Impact:
    if not asked.get("force"):
        return replace(gaps.switchover(now), notes=("sessions that are open end when they are idle, and connect again",))
    lost = "transactions that only the old primary has are lost, where no replica has acknowledged them"
    return replace(gaps.failover(now), notes=(lost,))
