"""What a change of an instance's spec does to its clients, before it is made (pure).

The rules are those by which the controller works: resources change in place, members are started anew one by one with the primary last,
and a primary with replicas is switched over before it ends.
"""

from collections.abc import Iterator, Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import parse
from pilothouse.platform.databases.mysql import versions
from pilothouse.platform.databases.mysql.images import satisfies
from pilothouse.platform.databases.mysql.parameters.check import need_restart
from pilothouse.platform.databases.pattern.impact import Impact, together

SWITCHOVER_S = 1.0
"""For how long a switchover keeps clients from writing, about: what it is to stay under on a machine that is not overloaded."""
RESTART_S = 5.0
"""For how long a server that is started anew does not answer, about: with an empty cache, and nothing to recover."""
FAILOVER_S = 5.0


def impact(now: Object, wanted: Object) -> Impact:
    """now, wanted: MySQL objects, the first with its status. Only what differs in their specs counts."""
    return together(_impacts(now, wanted), undo=undo(now, wanted))


def _impacts(now: Object, wanted: Object) -> Iterator[Impact]:
    before, after = now["spec"], wanted["spec"]
    if bool(before.get("suspended")) != bool(after.get("suspended")):
        yield _suspended(now) if after.get("suspended") else Impact(notes=("it answers again when its members have started",))
        return
    if before.get("suspended"):
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
        moved = SWITCHOVER_S if primary in gone else 0.0
        notes = [f"{primary} is the primary, and another one takes over first"] if moved else []
        yield Impact(read_only_seconds=moved, notes=(*notes, f"{_listed(gone)} ended"))


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
        yield Impact(order(now), _gap(now), notes=("each member runs the other version before the next one begins", *_one_way(now)))
    if before.get("restartedAt") != after.get("restartedAt"):
        yield Impact(order(now), _gap(now))


def _server(spec: Object) -> tuple[str, str]:
    return spec.get("version") or "", spec.get("image") or ""


def _one_way(now: Object) -> Iterator[str]:
    if versions.goes_one_way(now["spec"].get("flavour", "mariadb"), versions.of_data(now.get("status") or {})):
        name = meta.name(now)
        yield f"no earlier version can read the data afterwards, so that the way back is a backup: `ph mysql backup {name}` takes one"


def _after_restart(before: Object, after: Object) -> list[str]:
    return need_restart(after.get("flavour", "mariadb"), before.get("parameters") or {}, after.get("parameters") or {})


def order(now: Object) -> tuple[str, ...]:
    """The members in the order in which they are started anew: the primary last."""
    status = now.get("status") or {}
    known = [each["name"] for each in status.get("members") or ()] or _names(meta.name(now), 0, now["spec"].get("replicas", 1))
    return tuple(sorted(known, key=lambda name: (name == status.get("primary"), name)))


def _gap(now: Object) -> float:
    return SWITCHOVER_S if now["spec"].get("replicas", 1) > 1 else RESTART_S


def _moved(now: Object, asked: Object) -> Impact:
    if not asked.get("force"):
        return Impact(read_only_seconds=SWITCHOVER_S, notes=("sessions that are open end when they are idle, and connect again",))
    lost = "transactions that only the old primary has are lost, where no replica has acknowledged them"
    return Impact(read_only_seconds=FAILOVER_S, notes=(lost,))


def undo(now: Object, wanted: Object) -> str:
    """The command that takes all of the change back; "" where a part of it cannot be taken back."""
    before, after, name = now["spec"], wanted["spec"], meta.name(now)
    if bool(before.get("suspended")) != bool(after.get("suspended")):
        return f"ph mysql {'resume' if after.get('suspended') else 'suspend'} {name}"
    if _server(before) != _server(after) and any(_one_way(now)):
        return ""
    parts = [part for part in (_resized(before, after), _scaled(before, after), _set(before, after), _upgraded(before, after)) if part]
    if len(parts) == 1 and before.get("size") == after.get("size"):
        verb, _, rest = parts[0].partition(" NAME")
        return f"ph mysql {verb} {name}{rest}"
    asked, primary = after.get("switchover"), (now.get("status") or {}).get("primary")
    if not parts and asked != before.get("switchover") and primary and not (asked or {}).get("force"):
        return f"ph mysql switchover {name} --to {primary}"
    return ""


def _resized(before: Object, after: Object) -> str:
    was, becomes = before.get("resources") or {}, after.get("resources") or {}
    changed = [f" --{key} {was[key]}" for key in ("cpu", "memory") if key in was and was[key] != becomes.get(key)]
    return f"resize NAME{''.join(changed)}" if changed else ""


def _scaled(before: Object, after: Object) -> str:
    was = before.get("replicas", 1)
    return f"scale NAME {was}" if was != after.get("replicas", 1) else ""


def _set(before: Object, after: Object) -> str:
    was, becomes = before.get("parameters") or {}, after.get("parameters") or {}
    changed = [f" {key}={was[key]}" for key in sorted(was) if was[key] != becomes.get(key)]
    added = [f" {key}" for key in sorted(becomes) if key not in was]
    if changed and added:
        return ""
    return f"params set NAME{''.join(changed)}" if changed else f"params unset NAME{''.join(added)}" if added else ""


def _upgraded(before: Object, after: Object) -> str:
    return "upgrade NAME --undo" if _server(before) != _server(after) else ""
