"""What an app needs next, from its spec and what exists (pure).

The order is the app's life: a source is built before anything changes for those who use the app, a failed build leaves the
running revision alone, a revision is remembered before it is rolled out, and what no kept revision needs is removed last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects
from pilothouse.platform.apps.objects import Surroundings


@dataclass(frozen=True, slots=True)
class Actual:
    """What exists of an app; builds and revisions are those that it owns, in any order."""

    builds: Sequence[Object] = ()
    revisions: Sequence[Object] = ()
    deployment: Object | None = None
    service: Object | None = None
    ingress: Object | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """ensure: objects that must exist with at least these fields, in order. remove: owned objects that are no longer needed.

    status: the app's new status, without the times that do not change.
    """

    ensure: list[Object] = field(default_factory=list)
    remove: list[Object] = field(default_factory=list)
    status: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """reference: "" while there is none. built: the Built condition as (status, reason, message)."""

    reference: str
    built: tuple[str, str, str]
    build: Object | None = None


def plan(app: Object, actual: Actual, around: Surroundings, now: str) -> Plan:
    """The objects to ensure and remove, and the status to write. now: RFC 3339, for conditions and new revisions."""
    image = resolve_image(app, actual.builds, around)
    ensure: list[Object] = [image.build] if image.build is not None else []
    revisions = list(actual.revisions)
    if image.reference:
        data = objects.remembered(app, image.reference)
        newest = _remember(app, data, revisions)
        revisions = [r for r in revisions if meta.name(r) != meta.name(newest)] + [newest]
        ensure += [newest, objects.deployment(app, image.reference, around)]
    elif actual.deployment is not None:
        ensure.append(objects.scaled(app))
    if image.reference or actual.deployment is not None:
        ensure += [objects.service(app), objects.ingress(app, around)]
    revisions.sort(key=lambda r: int(r["revision"]))
    kept = revisions[-int(app["spec"].get("history", 10)) :]
    remove = [r for r in revisions if r not in kept and "uid" in r["metadata"]]
    remove += _unneeded_builds(app, actual.builds, kept)
    return Plan(ensure, remove, _status(app, actual, around, image, kept, now))


def resolve_image(app: Object, builds: Sequence[Object], around: Surroundings) -> Image:
    """The image to run, or why there is none yet."""
    spec = app["spec"]
    if spec.get("image"):
        return Image(spec["image"], ("True", "ImageGiven", ""))
    if not spec.get("source"):
        return Image("", ("False", "NoSource", "the app names neither an image nor a source: set spec.image or spec.source"))
    if not around.registry:
        return Image("", ("False", "NoRegistry", "there is no registry to build into: run the platform with --registry, or set spec.image"))
    wanted = objects.build(app, around)
    current = next((b for b in builds if meta.name(b) == meta.name(wanted)), None)
    status = (current or {}).get("status") or {}
    phase = status.get("phase", "Pending")
    if current is None or phase in ("Pending", "Running"):
        return Image("", ("Unknown", "Building", f"build {meta.name(wanted)} is {phase.lower()}"), wanted)
    if phase == "Succeeded":
        repository = wanted["spec"]["image"].rpartition(":")[0]
        return Image(f"{repository}@{status['digest']}", ("True", "BuildSucceeded", ""))
    return Image(
        "", ("False", status.get("reason") or f"Build{phase}", status.get("message") or f"build {meta.name(wanted)} {phase.lower()}")
    )


def _remember(app: Object, data: Object, revisions: Sequence[Object]) -> Object:
    """The revision of this state with the highest number: a state gone back to becomes the newest, as a rollout does."""
    name = objects.revision_name(app, data)
    highest = max((int(r["revision"]) for r in revisions), default=0)
    known = next((r for r in revisions if meta.name(r) == name), None)
    if known is None:
        return objects.revision(app, data, highest + 1)
    return known if known["revision"] == highest else known | {"revision": highest + 1}


def _unneeded_builds(app: Object, builds: Sequence[Object], kept: Sequence[Object]) -> list[Object]:
    """Finished builds whose source neither the spec nor a kept revision names."""
    states = [app["spec"], *[r["data"]["spec"] for r in kept]]
    needed = {objects.build_name(app | {"spec": state}) for state in states if state.get("source")}
    return [b for b in builds if meta.name(b) not in needed and not meta.is_deleting(b)]


def _status(app: Object, actual: Actual, around: Surroundings, image: Image, kept: Sequence[Object], now: str) -> Object:
    old = app.get("status") or {}
    live = (actual.deployment or {}).get("status") or {}
    generation = app["metadata"].get("generation", 0)
    conditions = old.get("conditions") or []
    for kind, (status, reason, message) in {"Built": image.built, "Ready": _ready(app, actual, around, image)}.items():
        new = {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}
        conditions = meta.with_condition(conditions, new, now)
    return {
        "observedGeneration": generation,
        "url": objects.url(app, around),
        "image": image.reference or old.get("image", ""),
        "revision": kept[-1]["revision"] if kept else 0,
        "build": objects.build_name(app) if app["spec"].get("source") and not app["spec"].get("image") else "",
        "replicas": live.get("replicas", 0),
        "readyReplicas": live.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in objects.selector(app).items()),
        "revisions": [_shown(r, now) for r in kept],
        "conditions": conditions,
    }


def _shown(revision: Object, now: str) -> Object:
    return {
        "number": revision["revision"],
        "image": revision["data"]["image"],
        "createdAt": revision["metadata"].get("creationTimestamp") or now,
        "note": _note(revision["data"]["spec"]),
    }


def _note(spec: Object) -> str:
    source = spec.get("source") or {}
    git = source.get("git")
    return f"{git['url']} {git.get('revision', '')}".strip() if git else ""


def _ready(app: Object, actual: Actual, around: Surroundings, image: Image) -> tuple[str, str, str]:
    """The Ready condition: the newest state is what serves, with all its replicas."""
    if not image.reference:
        running = actual.deployment is not None and _count(actual.deployment, "readyReplicas") > 0
        if image.built[0] == "False" and running:
            return "False", image.built[1], f"the last good revision still serves; {image.built[2]}"
        return ("False", image.built[1], image.built[2]) if image.built[0] == "False" else ("Unknown", "Building", image.built[2])
    deployment = actual.deployment
    wanted = objects.deployment(app, image.reference, around)
    if deployment is None or not rolled_out(deployment, wanted):
        stuck = _stuck(deployment, wanted)
        return ("False", "ProgressDeadlineExceeded", stuck) if stuck else ("False", "RollingOut", _rolling(deployment))
    return "True", "Serving", ""


def refused(app: Object, status: Object, reason: str, why: str, now: str) -> Object:
    """The status of an app whose objects the cluster does not take, in the place of the one that was planned."""
    before, others = meta.condition(app, "Ready"), [c for c in status["conditions"] if c["type"] != "Ready"]
    new = {"type": "Ready", "status": "False", "reason": reason, "message": why, "observedGeneration": status["observedGeneration"]}
    return status | {"conditions": [*others, *meta.with_condition([before] if before else [], new, now)]}


def rolled_out(deployment: Object, wanted: Object) -> bool:
    """Whether a Deployment has the wanted state in all its pods, as many as are wanted, and no others."""
    current = _state(deployment) == _state(wanted) and deployment["spec"].get("replicas", 1) == wanted["spec"]["replicas"]
    observed = _count(deployment, "observedGeneration") >= meta.generation(deployment)
    counts = [_count(deployment, name) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return current and observed and counts == [wanted["spec"]["replicas"]] * 3


def _state(deployment: Object) -> str:
    return meta.annotations(deployment["spec"]["template"]).get(objects.STATE, "")


def _count(deployment: Object, name: str) -> int:
    return int((deployment.get("status") or {}).get(name) or 0)


def _rolling(deployment: Object | None) -> str:
    """With why the cluster makes no pods, if it does not: a quota, a policy; it may yet change its mind."""
    failure = meta.condition(deployment or {}, "ReplicaFailure") or {}
    why = f": {failure['message']}" if failure.get("status") == "True" and failure.get("message") else ""
    return f"the new revision is being rolled out{why}"


def _stuck(deployment: Object | None, wanted: Object) -> str:
    """Why the wanted state does not come; what an earlier state was stuck in does not count."""
    if deployment is None or _state(deployment) != _state(wanted) or _count(deployment, "observedGeneration") < meta.generation(deployment):
        return ""
    condition = meta.condition(deployment, "Progressing")
    if condition is not None and condition["status"] == "False":
        return str(condition.get("message") or "the rollout makes no progress")
    return ""
