"""From what is seen of an app to one sentence: what state it is in, the chain of causes, and the way out (pure).

An app's life is looked at in the order in which it can go wrong: build, pods created, placed, started, ready, routed. The
first stage with a finding answers, since what comes after follows from it. Objects say what is; notes (decisions, Events)
say why, also of objects that are gone.
"""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.cli.output import age
from pilothouse.cli.why.binding_causes import of_bindings
from pilothouse.cli.why.finding import AT_ONCE, SOON, Finding, State
from pilothouse.cli.why.kinds import EXPLAINED
from pilothouse.cli.why.pod_causes import of_note, of_pod, refused
from pilothouse.cli.why.scene import SETS, Scene, is_rolled_out, newest
from pilothouse.cli.why.sentence import Why, told
from pilothouse.cli.why.set_causes import with_what_it_blocks, without_pods
from pilothouse.cli.why.standing import state, waiting, well
from pilothouse.cli.why.worst import worst_of
from pilothouse.model import meta
from pilothouse.model.json import Object

_EPISODE_S = 900.0
_PATIENCE_S = 30.0
_RANKS = ("FailedCreate", "FailedScheduling", "FailedMount", "FailedCreatePodSandBox", "Failed", "Exited", "Unhealthy")
_ROUTE_STEPS = {
    "HostTaken": "choose another host, or have the host shared (annotation gateway.pilothouse.dev/shared-hosts of the IngressClass)",
    "PathTaken": "choose another host with `ph deploy --host`, or remove the other ingress",
    "NoCertificate": "create the TLS secret, or remove tls from the ingress",
    "BackendNotSupported": "name a service as the backend",
}


def explain(scene: Scene) -> Why:
    if not _exists(scene):
        return _of_gone(scene)
    if scene.kind in EXPLAINED:
        return EXPLAINED[scene.kind](scene)
    for look in (_unattended, _own_trouble, _built, _idle, _pods_created, _pods_run, _routed):
        finding = look(scene)
        if finding is not None:
            return told(f"{scene.subject} {state(scene)}", finding)
    for process in scene.processes:
        if finding := _pods_created(process) or _pods_run(process):
            return replace(told(f"{process.subject} {state(process)}", finding), process=process.name)
    if all_is_well := well(scene):
        if finding := of_bindings(scene):
            return told(all_is_well, finding)
        return Why(all_is_well, state=_good_state(scene))
    if past := _past(scene, _begun(scene)):
        return told(f"{scene.subject} {state(scene)}", past)
    return Why(waiting(scene), state=_state_on_the_way(scene))


def _good_state(scene: Scene) -> State:
    return State.SERVING if scene.verb == "serves" else State.RUNNING


def _state_on_the_way(scene: Scene) -> State:
    if scene.waits_for_build:
        return State.BUILDING
    ready = meta.condition(scene.app or {}, "Ready") or {}
    return State.RELEASING if ready.get("reason") == "Releasing" else State.ROLLING_OUT


def _exists(scene: Scene) -> bool:
    own = {"App": scene.app, "Build": scene.build, "Deployment": scene.deployment, "Ingress": scene.ingress}
    own |= dict.fromkeys((*SETS, *EXPLAINED), scene.workload)
    if scene.kind in own:
        return own[scene.kind] is not None
    return bool(scene.replica_sets if scene.kind == "ReplicaSet" else scene.pods)


# What is wrong, stage by stage.

_SAID_BY_APP = {
    "HostTaken": "choose another with `ph deploy --host NAME`",
    "InvalidApp": "correct it and deploy again",
    "RolledBack": "deploy a state that comes up; `ph rollback {name}` makes what runs the newest",
    "ReleaseFailed": "see `ph logs {name} --process release`, then deploy again",
}
"""Reasons of an App's Ready condition whose message is the cause, with what to do."""


def _unattended(scene: Scene) -> Finding | None:
    """An App that no platform looks at."""
    if scene.app is None or (scene.app.get("status") or {}).get("observedGeneration") or scene.age_of(scene.app) < _PATIENCE_S:
        return None
    return Finding(("no platform works on this cluster's apps",), "start it with `ph up`, or with `ph run platform --kubeconfig FILE`")


def _own_trouble(scene: Scene) -> Finding | None:
    """What makes an App impossible, whatever its parts do. Its state is the reason that the App gives."""
    if scene.app is None:
        return None
    built = meta.condition(scene.app, "Built") or {}
    if built.get("reason") in ("NoSource", "NoRegistry"):
        cause, _, step = built["message"].partition(": ")
        return Finding((cause,), step, State.NOT_READY, AT_ONCE)
    ready = meta.condition(scene.app, "Ready") or {}
    if ready.get("reason") == "Refused":
        cause = f"the cluster refuses it: {ready['message']}"
        return Finding((cause,), "change what is refused and deploy again", State.REFUSED, AT_ONCE)
    if ready.get("reason") in _SAID_BY_APP:
        step = _SAID_BY_APP[ready["reason"]].format(name=scene.name)
        # An app may be invalid for the moment: the claim that it names was made just now.
        certain_after_s = SOON if ready["reason"] == "InvalidApp" else AT_ONCE
        return Finding((ready["message"].partition(": choose")[0],), step, ready["reason"], certain_after_s)
    if scene.taken:
        cause = f"{' and '.join(scene.taken)} exists and is not this app's"
        return Finding((cause,), "rename the app, or remove what has its name", "NameTaken", AT_ONCE)
    return None


def _built(scene: Scene) -> Finding | None:
    if scene.build is None:
        return None
    build, status, phase = scene.build, scene.build.get("status") or {}, scene.build_phase
    if phase in ("Pending", "Running"):
        return _build_waits(scene, build)
    if phase == "Succeeded":
        return None
    effect = f"build {meta.name(build)} {'failed' if phase == 'Failed' else 'was cancelled'}"
    message = (status.get("message") or "").rstrip(". ")
    # Of a base image that cannot be had, the message has the way out too.
    message, _, offered = message.partition(": use ") if status.get("reason") == "NoBaseImage" else (message, "", "")
    again = "`ph deploy` again"
    log = f"; the whole log: `ph logs {scene.name} --build`" if scene.kind == "App" else ""
    steps = {
        "BuildFailed": f"correct that line, then {again}{log}",
        "SourceFailed": f"correct the source, then {again}",
        "NoBaseImage": f"use {offered}" if offered else again,
        "Cancelled": again,
    }
    cause = message or f"its pod ended with {status.get('reason') or phase}"
    return Finding((cause, effect), steps.get(status.get("reason", ""), again), State.BUILD_FAILED, AT_ONCE)


def _build_waits(scene: Scene, build: Object) -> Finding | None:
    for pod in scene.pods:
        if meta.name(pod) == f"{meta.name(build)}-build" and (found := of_pod(pod, scene.notes_of(pod), scene.now, scene.app_name)):
            return Finding((*found.chain, f"build {meta.name(build)} cannot run"), found.next_step, State.BUILDING)
    return None


def _idle(scene: Scene) -> Finding | None:
    if scene.deployment is None:
        return None
    spec = scene.deployment["spec"]
    if spec.get("replicas", 1) == 0:
        command = f"ph scale {scene.name}=1" if scene.kind == "App" else f"ph kubectl scale deployment {scene.name} --replicas=1"
        return Finding(("it is scaled to 0 replicas",), f"start one with `{command}`", State.SCALED_TO_ZERO)
    if spec.get("paused") and not is_rolled_out(scene.deployment):
        step = f"go on with `ph kubectl rollout resume deployment {scene.name}`"
        return Finding(("its rollout is paused",), step, State.PAUSED)
    return None


def _pods_created(scene: Scene) -> Finding | None:
    if scene.workload is not None:
        return without_pods(scene)
    current = newest(scene.replica_sets)
    if current is None or (current.get("status") or {}).get("replicas", 0) >= current["spec"].get("replicas", 1):
        return None
    failure = meta.condition(current, "ReplicaFailure")
    if failure is not None and failure.get("status") == "True" and failure.get("reason") == "FailedCreate":
        return refused(meta.name(current), failure.get("message", ""))
    told = [note for note in scene.notes_of(current) if note.reason == "FailedCreate"]
    # What was said once may have passed.
    return replace(refused(meta.name(current), told[-1].message), certain_after_s=None) if told else None


def _pods_run(scene: Scene) -> Finding | None:
    """The worst of the current revision's pods; the rollout's deadline is the last link of the chain."""
    if scene.kind in ("Build", "Ingress") or (worst := worst_of(scene, scene.current_pods)) is None:
        return None
    pod, found = worst
    progressing = (meta.condition(scene.deployment, "Progressing") if scene.deployment else None) or {}
    late = ("the rollout made no progress in time",) if progressing.get("reason") == "ProgressDeadlineExceeded" else ()
    return with_what_it_blocks(scene, pod, replace(found, chain=(*found.chain, *late)))


def _routed(scene: Scene) -> Finding | None:
    """The way from the gateway to the pods."""
    if scene.kind == "App" and (scene.deployment is None or not is_rolled_out(scene.deployment)):
        return None
    if scene.endpoints is not None and scene.deployment is not None and not _has_ready_endpoint(scene.endpoints):
        step = "compare the service's selector and port with the pods' (`ph kubectl describe service`)"
        return Finding((f"service {scene.name} has no ready endpoint",), step, State.NO_ROUTE)
    if scene.ingress is None:
        return None
    for problem in scene.problems:
        step = _ROUTE_STEPS.get(problem.reason, "correct the ingress")
        return Finding((problem.message, "its route does not work"), step, State.NO_ROUTE, SOON)
    places = ((scene.ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if not places and scene.age_of(scene.ingress) >= _PATIENCE_S:
        name = scene.ingress["spec"].get("ingressClassName") or "the cluster's default one"
        cause, step = f"no gateway serves ingress class {name}", "see `ph kubectl get ingressclass`"
        return Finding((cause, "its route does not work"), step, State.NO_ROUTE)
    return None


def _has_ready_endpoint(slices: Sequence[Object]) -> bool:
    return any((e.get("conditions") or {}).get("ready", True) for piece in slices for e in piece.get("endpoints") or ())


# What the notes tell when the objects are gone.


def _begun(scene: Scene) -> float:
    """When the newest attempt was begun: trouble of the one before is none of its."""
    current = newest(scene.replica_sets)
    tries = [obj for obj in (scene.build if scene.waits_for_build else None, current) if obj is not None]
    return scene.now - min((scene.age_of(obj) for obj in tries), default=scene.now)


def _past(scene: Scene, since: float = 0.0) -> Finding | None:
    """The last trouble that was told: of the notes of its last quarter of an hour, the one nearest to the first cause."""
    notes = [note for note in scene.notes if note.is_trouble and note.last >= since]
    trouble = [(note, found) for note in notes if (found := of_note(note, scene.app_name))]
    if not trouble:
        return None
    end = trouble[-1][0].last
    episode = [(note, found) for note, found in trouble if note.last > end - _EPISODE_S]
    note, found = min(reversed(episode), key=lambda each: _RANKS.index(each[0].reason) if each[0].reason in _RANKS else len(_RANKS))
    first, *others = found.chain
    return Finding((f"{age(scene.now - note.last)} ago {first}", *others), found.next_step, found.state)


def _of_gone(scene: Scene) -> Why:
    finding = _past(scene)
    if finding is not None:
        return told(f"{scene.subject} is gone", finding)
    if scene.notes:
        last = scene.notes[-1]
        said = f"{last.reason}: {last.message}".rstrip(". ")
        return Why(f"{scene.subject} is gone; the last that was said about it, {age(scene.now - last.last)} ago: {said}")
    return Why(f"there is no {scene.kind.lower()} {scene.name}, and nothing is known about one", is_known=False)
