"""What an app needs next, from its spec and what exists (pure).

The order is the app's life: a spec that cannot work changes nothing; a source is built before anything changes for those who
use the app; the release process ends well before the new state is rolled out; what failed leaves the running revision alone;
a revision is remembered before it is rolled out, and what no kept revision needs is removed last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import autoscale, check, fallback, history, objects, processes, schedule, secrets, workloads
from pilothouse.platform.apps.images import Image, resolve_image
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.ready import count, ready, rolled_back
from pilothouse.platform.apps.release import Release, next_release
from pilothouse.platform.apps.schedule import Agenda
from pilothouse.platform.apps.secrets import Pinned
from pilothouse.platform.apps.volumes import claims
from pilothouse.platform.apps.volumes.claims import Claims
from pilothouse.platform.apps.workloads import Running


@dataclass(frozen=True, slots=True)
class Actual:
    """What exists of an app. Builds, revisions, deployments, jobs and copies are those that it owns, in any order.

    secrets: those that the spec names, by name, as far as they exist. taken: who has one of its hosts, as a sentence, or "".
    claims: see `volumes.claims`.
    """

    builds: Sequence[Object] = ()
    revisions: Sequence[Object] = ()
    deployments: Sequence[Object] = ()
    jobs: Sequence[Object] = ()
    copies: Sequence[Object] = ()
    service: Object | None = None
    ingress: Object | None = None
    autoscaler: Object | None = None
    secrets: Mapping[str, Object] = field(default_factory=dict)
    taken: str = ""
    claims: Claims = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """ensure: objects that must exist with at least these fields, in order. remove: owned objects that are no longer needed.

    status: the app's new status, without the times that do not change. again_s: in how many seconds to look again.
    """

    ensure: list[Object] = field(default_factory=list)
    remove: list[Object] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class _State:
    """The newest state as far as it has come. wanted: Deployments of the revision in effect; none while there is no image.

    in_effect: the newest of `kept`, or the one that runs in its place (see `fallback`). given_up: name of the newest when it was given
    up. held: names of Secrets.
    """

    image: Image
    running: Running
    pinned: Pinned
    release: Release
    wanted: list[Object]
    kept: list[Object]
    in_effect: Object | None
    given_up: str
    held: set[str]

    @property
    def may_roll_out(self) -> bool:
        return bool(self.image.reference) and self.release.is_done


def plan(app: Object, actual: Actual, around: Surroundings, now: str) -> Plan:
    """The objects to ensure and remove, and the status to write. now: RFC 3339, for conditions and new revisions."""
    faults = check.app(app) or list(claims.faults(app, actual.claims))
    if faults or actual.taken:
        why = ("InvalidApp", "; ".join(faults)) if faults else ("HostTaken", actual.taken)
        return _frozen(app, actual, around, now, why)
    state = _state(app, actual, around, now)
    coming = _agenda(app, actual, around, state, now)
    status = _status(app, actual, around, state, coming, now)
    again_s = min(coming.again_s or secrets.HOLD_S, secrets.HOLD_S) if state.held else coming.again_s
    return Plan(_ensure(app, actual, around, state) + coming.due, _remove(app, actual, state), status, again_s)


def _state(app: Object, actual: Actual, around: Surroundings, now: str) -> _State:
    image = resolve_image(app, actual.builds, around)
    revisions = history.in_order(actual.revisions)
    held = secrets.held(app, actual.secrets, meta.parse_rfc3339(now))
    pinned = _pinned(app, actual, revisions, held) if image.reference else Pinned()
    port = processes.port_of(app["spec"], image.exposed) if processes.has_port(app) else 0
    running = Running(image.reference, port, pinned.names, actual.claims)
    release = next_release(app, running, actual.jobs, around) if image.reference else Release()
    wanted = _deployments(app, running, around) if image.reference else []
    may_roll_out = bool(image.reference) and release.is_done
    if may_roll_out:
        revisions = history.with_newest(app, objects.remembered(app, image.reference, pinned.names), revisions, now)
    kept = revisions[-int(app["spec"].get("history", 10)) :]
    given_up = fallback.given_up(app, kept, wanted, {meta.name(each): each for each in actual.deployments}) if may_roll_out else ""
    in_effect = fallback.in_effect(app, kept)
    if may_roll_out and in_effect is not None and in_effect is not kept[-1]:
        before = _as_of(app, in_effect)
        running = _running(before, in_effect, _port_of(before, actual, around), actual)
        wanted = _deployments(before, running, around)
    return _State(image, running, pinned, release, wanted, kept, in_effect, given_up, held)


def _deployments(app: Object, running: Running, around: Surroundings) -> list[Object]:
    return [workloads.deployment(app, each, running, around) for each in processes.lasting(app)]


def _port_of(app: Object, actual: Actual, around: Surroundings) -> int:
    """Of an app as of an earlier revision, whose build is kept as long as the revision is."""
    return processes.port_of(app["spec"], resolve_image(app, actual.builds, around).exposed) if processes.has_port(app) else 0


def _running(app: Object, revision: Object, port: int, actual: Actual) -> Running:
    """app: as of the revision."""
    return Running(revision["data"]["image"], port, revision["data"].get("secrets") or {}, actual.claims)


def _pinned(app: Object, actual: Actual, revisions: Sequence[Object], held: set[str]) -> Pinned:
    """A Secret that is held is read as the newest revision reads it."""
    pinned = secrets.pin(app, {name: secret for name, secret in actual.secrets.items() if name not in held}, actual.copies)
    newest = (revisions[-1]["data"].get("secrets") or {}) if revisions else {}
    before = {name: newest[name] for name in held if name in newest}
    return Pinned(
        {name: (before | dict(pinned.names))[name] for name in actual.secrets if name in before or name in pinned.names}, pinned.made
    )


def _ensure(app: Object, actual: Actual, around: Surroundings, state: _State) -> list[Object]:
    ensure: list[Object] = [state.image.build] if state.image.build is not None else []
    ensure += state.pinned.made
    # Nothing runs before there is an image, and a build that fails is to leave no claims.
    ensure += claims.wanted(app, actual.claims) if state.image.reference else []
    if state.may_roll_out:
        current = {meta.name(each): each for each in actual.deployments}
        ensure += [state.kept[-1], *(workloads.without_resets(each, current.get(meta.name(each))) for each in state.wanted)]
    else:
        existing = {meta.name(each) for each in actual.deployments}
        ensure += [state.release.job] if state.release.job is not None else []
        ensure += [scaled for each in processes.lasting(app) if meta.name(scaled := workloads.scaled(app, each)) in existing]
    if state.may_roll_out or actual.deployments:
        # While there is no new state the Service stays as it is: the port of the old one is not known from the spec.
        ensure += (
            [objects.service(app, state.running.port)] if processes.has_port(app) and (state.may_roll_out or not actual.service) else []
        )
        ensure += [objects.ingress(app, around)] if processes.has_route(app) else []
        # Its targets are shares of the limits that the replicas have.
        wanted = autoscale.autoscaler(_as_of(app, state.in_effect) if state.in_effect is not None else app)
        ensure += [wanted] if wanted is not None else []
    return ensure


def _remove(app: Object, actual: Actual, state: _State) -> list[Object]:
    gone = [r for r in actual.revisions if meta.name(r) not in {meta.name(kept) for kept in state.kept}]
    gone += _unneeded_builds(app, actual.builds, state.kept)
    if actual.autoscaler is not None and not app["spec"].get("autoscale") and not meta.is_deleting(actual.autoscaler):
        # At once, also while there is no new state: it would go on to write over a number that somebody has set.
        gone.append(actual.autoscaler)
    if not state.may_roll_out:
        return gone
    wanted = {meta.name(each) for each in state.wanted}
    gone += [each for each in actual.deployments if meta.name(each) not in wanted and not meta.is_deleting(each)]
    unused = [actual.service] if not processes.has_port(app) else []
    unused += [actual.ingress] if not processes.has_route(app) else []
    gone += [each for each in unused if each is not None and not meta.is_deleting(each)]
    gone += schedule.outlived(app, state.release.name, actual.jobs)
    needed = {name for kept in state.kept for name in (kept["data"].get("secrets") or {}).values()}
    return gone + secrets.unneeded(actual.copies, needed | set(state.pinned.names.values()))


def _unneeded_builds(app: Object, builds: Sequence[Object], kept: Sequence[Object]) -> list[Object]:
    """Finished builds whose source neither the spec nor a kept revision names."""
    states = [app["spec"], *[r["data"]["spec"] for r in kept]]
    named = [app | {"spec": state} for state in states if state.get("source")]
    needed = {name(state) for state in named for name in (objects.build_name, objects.legacy_build_name)}
    return [b for b in builds if meta.name(b) not in needed and not meta.is_deleting(b)]


def _agenda(app: Object, actual: Actual, around: Surroundings, state: _State, now: str) -> Agenda:
    """Scheduled processes run in the revision in effect: not with what is not rolled out yet."""
    if state.in_effect is None:
        return Agenda()
    return _agenda_of(app, state.in_effect, state.running.port, actual, around, now)


def _agenda_of(app: Object, revision: Object, port: int, actual: Actual, around: Surroundings, now: str) -> Agenda:
    before = _as_of(app, revision)
    return schedule.agenda(before, _running(before, revision, port, actual), actual.jobs, around, meta.parse_rfc3339(now))


def _as_of(app: Object, revision: Object) -> Object:
    """The app with what the revision remembers of its spec."""
    spec = {key: value for key, value in app["spec"].items() if key not in objects.ROLLED_FIELDS} | revision["data"]["spec"]
    return app | {"spec": spec}


def _status(app: Object, actual: Actual, around: Surroundings, state: _State, coming: Agenda, now: str) -> Object:
    old = app.get("status") or {}
    deployments = {meta.name(each): each for each in actual.deployments}
    live = deployments.get(meta.name(app)) or {}
    is_released = state.release.is_done and state.release.name
    is_newest = not state.kept or state.in_effect is state.kept[-1] or not state.may_roll_out
    said = {
        "Built": state.image.built,
        "Ready": ready(app, state.image, state.release, state.wanted, deployments)
        if is_newest or state.in_effect is None
        else rolled_back(state.kept[-1], state.in_effect, state.wanted, deployments),
    }
    return {
        **_observed(app, {name: secret for name, secret in actual.secrets.items() if name not in state.held}, around),
        "image": state.image.reference or old.get("image", ""),
        "revision": state.kept[-1]["revision"] if state.kept else 0,
        "build": state.image.build_name,
        "replicas": count(live, "replicas"),
        "readyReplicas": count(live, "readyReplicas"),
        "selector": ",".join(f"{key}={value}" for key, value in objects.selector(app).items()),
        "revisions": history.with_service(history.shown(state.kept, now), old.get("revisions") or (), is_ready=said["Ready"][0] == "True"),
        "processes": _processes(app, deployments, coming),
        "volumes": claims.status(app, actual.claims),
        "givenUp": state.given_up,
        "release": state.release.name if is_released else old.get("release", ""),
        "conditions": _conditions(app, said, now),
    }


def _processes(app: Object, deployments: Mapping[str, Object], coming: Agenda) -> list[Object]:
    found: list[Object] = []
    for each in processes.lasting(app):
        live = deployments.get(processes.deployment_name(app, each.name)) or {}
        found.append({"name": each.name, "replicas": count(live, "replicas"), "readyReplicas": count(live, "readyReplicas")})
    return found + [{"name": name, "lastScheduledAt": at} for name, at in coming.last.items()]


def _observed(app: Object, seen: Mapping[str, Object], around: Surroundings) -> Object:
    versions = [{"name": name, "resourceVersion": meta.resource_version(secret)} for name, secret in sorted(seen.items())]
    return {"observedGeneration": meta.generation(app), "url": objects.url(app, around), "observedSecrets": versions}


def _conditions(app: Object, said: Mapping[str, tuple[str, str, str]], now: str) -> list[Object]:
    conditions: list[Object] = (app.get("status") or {}).get("conditions") or []
    for kind, (status, reason, message) in said.items():
        new = {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": meta.generation(app)}
        conditions = meta.with_condition(conditions, new, now)
    return conditions


def _frozen(app: Object, actual: Actual, around: Surroundings, now: str, why: tuple[str, str]) -> Plan:
    """The plan of an app whose spec is not carried out: what runs goes on running, and the newest revision's schedules go on.

    why: reason and message of the Ready condition.
    """
    said = {"conditions": _conditions(app, {"Ready": ("False", *why)}, now), "volumes": claims.status(app, actual.claims)}
    status = _observed(app, actual.secrets, around) | said
    revisions = history.in_order(actual.revisions)
    if not revisions:
        return Plan(status=status)
    coming = _agenda_of(app, revisions[-1], _live_port(app, actual.deployments), actual, around, now)
    processes_now = [each for each in (app.get("status") or {}).get("processes") or () if each["name"] not in coming.last]
    status["processes"] = processes_now + [{"name": name, "lastScheduledAt": at} for name, at in coming.last.items()]
    release = (app.get("status") or {}).get("release", "")
    gone = schedule.outlived(_as_of(app, revisions[-1]), release, actual.jobs)
    return Plan(coming.due, gone, status, coming.again_s)


def _live_port(app: Object, deployments: Sequence[Object]) -> int:
    """The port on which the replicas of `web` that run are reached; 0 for none."""
    web = next((each for each in deployments if meta.name(each) == meta.name(app)), None)
    containers = web["spec"]["template"]["spec"]["containers"] if web is not None else ()
    return next((int(port["containerPort"]) for container in containers for port in container.get("ports") or ()), 0)


def refused(app: Object, status: Object, reason: str, why: str, now: str) -> Object:
    """The status of an app whose objects the cluster does not take, in the place of the one that was planned."""
    before, others = meta.condition(app, "Ready"), [c for c in status["conditions"] if c["type"] != "Ready"]
    new = {"type": "Ready", "status": "False", "reason": reason, "message": why, "observedGeneration": status["observedGeneration"]}
    return status | {"conditions": [*others, *meta.with_condition([before] if before else [], new, now)]}
