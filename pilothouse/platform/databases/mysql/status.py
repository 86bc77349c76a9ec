"""The status of an instance (pure)."""

from collections.abc import Mapping, Sequence

from pilothouse.model import meta
from pilothouse.model.covering import covers
from pilothouse.model.json import Object
from pilothouse.model.quantity import milli, whole
from pilothouse.platform.databases.mysql import growth, labels, names, versions
from pilothouse.platform.databases.mysql.conditions import Picture, phase, said
from pilothouse.platform.databases.mysql.objects.pods import Server
from pilothouse.platform.databases.mysql.topology.findings import shown
from pilothouse.platform.databases.mysql.topology.member import Member

SAME_S = 5.0
VOLATILE = ("gtid", "lagSeconds", "disk")
"""Of a member: what changes with each transaction, and is written now and then only."""


def status(instance: Object, picture: Picture, server: Server | None, shown: Sequence[Object], now: str) -> Object:
    """The whole status: what it remembers, and what is seen. shown: see `member`."""
    old: Object = instance.get("status") or {}
    name, space = meta.name(instance), meta.namespace(instance)
    return old | {
        "observedGeneration": meta.generation(instance),
        "phase": phase(instance, picture),
        "host": names.host(name, space),
        "readHost": names.host(names.read(name), space),
        "port": names.PORT,
        "binding": {"name": name},
        "replicas": picture.pods,
        "readyReplicas": picture.ready,
        "selector": f"{labels.INSTANCE}={name}",
        "members": list(shown),
        "dataVersion": versions.highest(str(old.get("dataVersion") or ""), *(str(each["version"]) for each in shown)),
        "conditions": _conditions(instance, picture, now),
        **_images(old, server),
        **_restarted(instance, picture),
        **_tuned(instance, picture),
    }


def _tuned(instance: Object, picture: Picture) -> Object:
    if picture.heard is None:
        return {}
    taken = {"tunedGeneration": meta.generation(instance)} if picture.heard.is_all else {}
    return {"refusedParameters": list(picture.heard.refused), **taken}


def _restarted(instance: Object, picture: Picture) -> Object:
    """The time that asked for a restart, once every member has been made anew since."""
    asked = instance["spec"].get("restartedAt") or ""
    is_done = picture.ready >= picture.replicas and not picture.restarting and not picture.suspended
    return {"restartedAt": asked} if asked and is_done else {}


def _images(old: Object, server: Server | None) -> Object:
    if server is None or not server.image:
        return {}
    changed = {"previousImage": old["image"]} if old.get("image") and old["image"] != server.image else {}
    return {"image": server.image, "imageAsked": server.asked, "version": server.version, **changed}


def _conditions(instance: Object, picture: Picture, now: str) -> list[Object]:
    found: list[Object] = list((instance.get("status") or {}).get("conditions") or ())
    for kind, each in said(instance, picture).items():
        if each is None:
            found = [condition for condition in found if condition["type"] != kind]
            continue
        value, reason, message = each
        new = {"type": kind, "status": value, "reason": reason, "message": message, "observedGeneration": meta.generation(instance)}
        found = meta.with_condition(found, new, now)
    return found


def member(seen: Member, pod: Object | None, trouble: str, before: Object, now: float) -> Object:
    """One of `status.members`. trouble: why its pod does not run, or "". before: what was said of it last. now: seconds of the epoch."""
    state: Mapping[str, object] = seen.state or {}
    disk = state.get("disk")
    found = disk if isinstance(disk, dict) else {}
    have = growth.given(pod)
    pending = state.get("pending_restart")
    return {
        "name": seen.name,
        "role": seen.role,
        "state": _state(seen, pod),
        "message": trouble or str(state.get("error") or state.get("doing") or ""),
        "ready": pod is not None and meta.is_true(pod, "Ready"),
        "writable": seen.is_writable,
        "gtid": shown(seen.executed_text),
        "lagSeconds": seen.lag_s,
        "version": str(state.get("version") or ""),
        "startedAt": _started_at(state, before, now),
        "disk": {key: int(found.get(key) or 0) for key in ("size", "free")},
        "pendingRestart": [str(each) for each in pending] if isinstance(pending, list) else [],
        "cpu": str(milli(have.cpu_millis)) if have is not None else "",
        "memory": str(whole(have.memory_bytes, "BinarySI")) if have is not None else "",
    }


def _started_at(state: Mapping[str, object], before: Object, now: float) -> str:
    """When the server began; as it was said before where that is about the same, since a server tells how long it has been up."""
    uptime = state.get("uptime_s")
    if not isinstance(uptime, int | float):
        return ""
    found, old = now - uptime, str(before.get("startedAt") or "")
    return old if old and abs(meta.parse_rfc3339(old) - found) < SAME_S else meta.rfc3339(found)


def _state(seen: Member, pod: Object | None) -> str:
    if pod is None:
        return "absent"
    if meta.is_deleting(pod):
        return "ending"
    if not seen.is_heard:
        return "silent" if seen.state is not None else "starting"
    state = seen.state or {}
    return str(state.get("data") if not seen.has_data else state.get("process"))


def is_same(old: Object, new: Object, *, volatile: bool) -> bool:
    """Whether there is nothing to write, beside what the server has added. volatile: whether what changes all the time counts, too."""
    return covers(old, new) if volatile else covers(_steady(old), _steady(new))


def _steady(found: Object) -> Object:
    members = [{key: value for key, value in each.items() if key not in VOLATILE} for each in found.get("members") or ()]
    return found | {"members": members}
