"""How an instance stands: whether it is as its spec asks for, what it lacks, whether that ends without the user (pure)."""

from collections.abc import Iterable, Iterator, Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError, parse

ON_ITS_WAY = frozenset(
    (
        *(
            "Changing",
            "Creating",
            "FailingOver",
            "MakingImage",
            "PullingImage",
            "Resizing",
            "Restarting",
            "Restoring",
            "Resuming",
            "Scaling",
            "Seeding",
        ),
        *("Starting", "Suspended", "Suspending", "Switching", "Upgrading"),
    )
)
"""Reasons of the condition Ready with which it is not ready yet, or not meant to be."""
UNWANTED = ("Accepted", "Ready", "Healthy", "Resized")
"""Conditions that say what is wrong, the worst first."""
WELL, WORKING = frozenset({"Online"}), frozenset({"Changing", "Creating", "Deleting", "Restoring", "Resuming", "Suspended", "Suspending"})
"""Phases: what is well, and what is on its way or rests. All others are trouble."""


def status(instance: Object) -> Object:
    found: Object = instance.get("status") or {}
    return found


def phase(instance: Object) -> str:
    return "Deleting" if meta.is_deleting(instance) else status(instance).get("phase") or "Creating"


def is_current(instance: Object) -> bool:
    """Whether the status speaks of the newest spec."""
    return bool(status(instance).get("observedGeneration") == meta.generation(instance))


def sentence(instance: Object) -> str:
    """What the operator says of it, without an end; "" for nothing."""
    return str((meta.condition(instance, "Ready") or {}).get("message") or "").rstrip(". ")


def refused(instance: Object) -> str:
    """Why what its spec asks for is not carried out until the user changes it; "" when it is."""
    accepted = meta.condition(instance, "Accepted") or {}
    is_refused = is_current(instance) and accepted.get("status") == "False"
    return str(accepted.get("message") or accepted.get("reason") or "it is refused").rstrip(". ") if is_refused else ""


def trouble(instance: Object) -> str:
    """What is wrong and may end by itself, a sentence without an end; "" for nothing, and for what is only on its way."""
    found = [meta.condition(instance, each) or {} for each in UNWANTED] if is_current(instance) else []
    wrong = (each for each in found if each.get("status") == "False" and each.get("reason") not in ON_ITS_WAY)
    return next((str(each.get("message") or each.get("reason")).rstrip(". ") for each in wrong), "")


def lacking(instance: Object) -> str:
    """What it has not of what its spec asks for: half a sentence; "" when all is as asked for."""
    if not is_current(instance):
        return "waiting for the platform"
    return next(_lacking(instance), "")


def _lacking(instance: Object) -> Iterator[str]:
    spec, said = instance["spec"], status(instance)
    if spec.get("suspended"):
        if phase(instance) != "Suspended":
            yield sentence(instance) or "its servers are being stopped"
        return
    if not meta.is_true(instance, "Ready"):
        yield sentence(instance) or "its servers are starting"
    if resizing := meta.condition(instance, "Resized"):
        yield from [str(resizing.get("message") or "it is being resized")] if resizing.get("status") == "False" else []
    if (ready := said.get("readyReplicas", 0)) != spec.get("replicas", 1):
        yield f"{ready} of {spec.get('replicas', 1)} members are ready"
    yield from _resources(instance)
    yield from _versions(instance)
    if phase(instance) != "Online":
        yield trouble(instance) or f"it is {phase(instance).lower()}"


def _resources(instance: Object) -> Iterator[str]:
    wanted: Mapping[str, str] = instance["spec"].get("resources") or {}
    for member in status(instance).get("members") or ():
        for key in ("cpu", "memory"):
            if key in wanted and member.get(key) and not same(member[key], wanted[key]):
                yield f"{member['name']} has {member[key]} of {key} and is to have {wanted[key]}"


def same(one: str, other: str) -> bool:
    """Whether two quantities are the same amount."""
    try:
        return parse(one).amount == parse(other).amount
    except QuantityError:
        return one == other


def _versions(instance: Object) -> Iterator[str]:
    wanted = instance["spec"].get("version") or ""
    if not has_image(instance):
        yield f"it is to run {instance['spec'].get('image') or 'an image of the platform'}"
    for member in status(instance).get("members") or ():
        if wanted and member.get("version") and not is_version(member["version"], wanted):
            yield f"{member['name']} runs {member['version']} and is to run {wanted}"


def has_image(instance: Object) -> bool:
    """Whether what its members are to run is the image that its spec names, or one of the platform's where it names none."""
    return (status(instance).get("imageAsked") or "") == (instance["spec"].get("image") or "")


def is_version(full: str, wanted: str) -> bool:
    """Whether a full version is one that `wanted` asks for: 10.11.18 for 10.11, and 10.11.18-MariaDB for 10.11.18."""
    return full == wanted or full.startswith((f"{wanted}.", f"{wanted}-"))


def unmoved(instance: Object) -> str:
    """What is lacking once a switchover was asked for."""
    asked, said = instance["spec"].get("switchover") or {}, status(instance)
    move = said.get("move") or {}
    if (said.get("switchedAt") or "") < asked.get("at", "") or (move.get("startedAt") and not move.get("finishedAt")):
        return trouble(instance) or move.get("message") or "another member is becoming the primary"
    return lacking(instance)


def unrestarted(instance: Object) -> str:
    """What is lacking once a restart was asked for."""
    return lacking(instance) or ("members are started anew" if _lags(instance, "restartedAt") else "")


def untuned(instance: Object) -> str:
    """What is lacking once settings were asked for. Those of a suspended instance count when it goes on."""
    is_tuned = instance["spec"].get("suspended") or status(instance).get("tunedGeneration") == meta.generation(instance)
    return lacking(instance) or ("" if is_tuned else "members take the settings")


def unrotated(instance: Object) -> str:
    """What is lacking once new passwords were asked for: of the instance's account, and of its replication.

    Those of a suspended instance are made when it goes on.
    """
    if (missing := lacking(instance)) or instance["spec"].get("suspended"):
        return missing
    replication = meta.condition(instance, "Rotated") or {}
    if replication.get("status") != "True":
        return str(replication.get("message") or "the password of replication is being changed")
    return "passwords are being changed" if _lags(instance, "rotatedAt") else ""


def unarchived(instance: Object) -> str:
    """What is lacking once the archive was asked for. What stands in its way and does not pass by itself is waited for no longer."""
    if missing := lacking(instance):
        return missing
    archiving = meta.condition(instance, "Archiving") or {}
    is_begun = instance["spec"].get("suspended") or archiving.get("reason") not in (None, "Starting")
    return "" if is_begun else str(archiving.get("message") or "the archive is being started")


def _lags(instance: Object, key: str) -> bool:
    return bool(status(instance).get(key) != instance["spec"].get(key))


Servers = Mapping[str, tuple[str, ...]]
"""Member -> what is another one when its server has been started anew."""


def servers(instance: Object, pods: Iterable[Object]) -> Servers:
    """pods: of the members, as far as they may be seen. A server that starts anew in its container is seen by the operator alone."""
    running = () if instance["spec"].get("suspended") else status(instance).get("members") or ()
    own = {meta.name(pod): _containers(pod) for pod in pods}
    return {each["name"]: (each.get("startedAt") or "", *own.get(each["name"], ())) for each in running}


def _containers(pod: Object) -> tuple[str, ...]:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return (meta.uid(pod), *(f"{each['name']} {each.get('restartCount', 0)}" for each in found if each["name"] == "database"))


def restarted(before: Servers, after: Servers) -> list[str]:
    """The members whose server was started between the two; those that have come or gone are left out."""
    return sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
