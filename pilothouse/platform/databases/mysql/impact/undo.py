"""The command that takes a change back: that of the one part which differs, or `ph mysql set` for several (pure)."""

import shlex
from collections.abc import Iterator

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import versions
from pilothouse.platform.databases.mysql.impact.policy import FIELDS, differing
from pilothouse.platform.databases.mysql.parameters.check import variable_name
from pilothouse.platform.databases.pattern import clients

_SERVER = frozenset(("version", "image"))
_UNDONE = frozenset((*FIELDS, *_SERVER, "parameters", "replicas", "resources", "suspended", "switchover"))


def undo(now: Object, wanted: Object) -> str:
    """The empty text where a part of the change cannot be taken back."""
    before, after, name = now["spec"], wanted["spec"], meta.name(now)
    differ = differing(before, after)
    if "suspended" in differ:
        return f"ph mysql {'resume' if after.get('suspended') else 'suspend'} {name}"
    if not differ or differ - _UNDONE or (differ & _SERVER and versions.one_way(now)):
        return ""
    if differ == {"switchover"}:
        asked, primary = after.get("switchover") or {}, (now.get("status") or {}).get("primary")
        return f"ph mysql switchover {name} --to {primary}" if primary and not asked.get("force") else ""
    return "" if "switchover" in differ else _command(now, before, after, differ)


def _command(now: Object, before: Object, after: Object, differ: set[str]) -> str:
    name = meta.name(now)
    if differ <= _SERVER:
        return f"ph mysql upgrade {name} --undo"
    if differ == {"replicas"}:
        return f"ph mysql scale {name} {before.get('replicas', 1)}"
    if differ == {"parameters"} and (command := _parameters_alone(name, before, after)):
        return command
    options = list(_options(now, before, after, differ))
    if not options or not all(options):
        return ""
    return f"ph mysql {'resize' if differ == {'resources'} else 'set'} {name} {' '.join(options)}"


def _options(now: Object, before: Object, after: Object, differ: set[str]) -> Iterator[str]:
    """Of `ph mysql set`; "" for a part that no option can take back."""
    was, becomes = before.get("resources") or {}, after.get("resources") or {}
    yield from (f"--{key} {was[key]}" for key in ("cpu", "memory") if key in was and was[key] != becomes.get(key))
    if "replicas" in differ:
        yield f"--replicas {before.get('replicas', 1)}"
    if differ & _SERVER:
        yield _server(now, before)
    changed, added = _parameters(before, after)
    yield from (f"--param {shlex.quote(f'{key}={value}')}" for key, value in changed.items())
    yield from (f"--no-param {key}" for key in added)
    yield from _access(before.get("access") or {}, after.get("access") or {})
    yield from _backup(before.get("backup") or {}, after.get("backup") or {})
    yield from _flags(before, after, (("deletionProtection", "protection", True), ("finalBackup", "final-backup", True)))


def _server(now: Object, before: Object) -> str:
    """What it runs, be it that nothing was named before."""
    if before.get("image"):
        return f"--image {before['image']}"
    runs = str((now.get("status") or {}).get("version") or "").partition("-")[0]
    return f"--version {before.get('version') or runs}" if before.get("version") or runs else ""


def _parameters(before: Object, after: Object) -> tuple[dict[str, str], list[str]]:
    """Those that had another value, or one at all, and those that had none."""
    was, becomes = before.get("parameters") or {}, after.get("parameters") or {}
    named = {variable_name(key) for key in was}
    added = [key for key in sorted(becomes) if variable_name(key) not in named]
    return {key: was[key] for key in sorted(was) if was[key] != becomes.get(key)}, added


def _parameters_alone(name: str, before: Object, after: Object) -> str:
    """The empty text where it takes two commands."""
    changed, added = _parameters(before, after)
    if changed and added:
        return ""
    if added:
        return f"ph mysql params unset {name} {' '.join(added)}"
    return f"ph mysql params set {name} {' '.join(shlex.quote(f'{key}={value}') for key, value in changed.items())}"


def _access(before: Object, after: Object) -> Iterator[str]:
    for key, option in (("clients", "allow"), ("metrics", "allow-metrics")):
        was, becomes = before.get(key) or [], after.get(key) or []
        yield from (_client(option, each) for each in was if each not in becomes)
        yield from (_client(f"dis{option}", each) for each in becomes if each not in was)


def _client(option: str, client: Object) -> str:
    return f"--{option} {shlex.quote(clients.text(client))}" if clients.is_writable(client) else ""


def _backup(before: Object, after: Object) -> Iterator[str]:
    for key, option, usual in (("schedule", "backup-schedule", ""), ("store", "backup-store", ""), ("method", "backup-method", "physical")):
        if (before.get(key) or usual) != (after.get(key) or usual):
            yield f"--{option} {shlex.quote(before.get(key) or usual)}"
    was, becomes = before.get("keep") or {}, after.get("keep") or {}
    for key, option, default in (("count", "backup-keep", 7), ("days", "backup-keep-days", 0)):
        if (was.get(key) or default) != (becomes.get(key) or default):
            yield f"--{option} {was.get(key) or default}"
    yield from _flags(before, after, (("verify", "backup-verify", True), ("archive", "archive", False)))


def _flags(before: Object, after: Object, flags: tuple[tuple[str, str, bool], ...]) -> Iterator[str]:
    """flags: field, option and what counts where the field is not there."""
    for key, option, usual in flags:
        if before.get(key, usual) != after.get(key, usual):
            yield f"--{'' if before.get(key, usual) else 'no-'}{option}"
