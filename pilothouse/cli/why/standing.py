"""How an app stands, in half a sentence: what serves, what is still coming, or that all is well (pure)."""

from collections.abc import Sequence

from pilothouse.cli.output import age
from pilothouse.cli.why.scene import Scene, count, is_rolled_out, newest, ready_count, restarts
from pilothouse.model import meta
from pilothouse.model.json import Object


def state(scene: Scene) -> str:
    """How it stands, before the reasons."""
    if scene.kind == "Build":
        return "is not built" if scene.build_phase in ("Failed", "Cancelled") else "is not built yet"
    if scene.kind == "Pod":
        return "is not ready"
    if scene.kind == "Ingress":
        return "does not work"
    owner = scene.owner
    ready, current = ready_count(owner), newest(scene.replica_sets)
    if not ready:
        return f"does not {scene.verb.removesuffix('s')}"
    if release_failed(scene):
        return f"still {scene.verb} {old_revision(scene)}"
    if scene.kind == "App" and not scene.waits_for_build and owner is not None and is_rolled_out(owner):
        return "runs but cannot be reached"
    if scene.waits_for_build or (current is not None and not count(current, "readyReplicas")):
        return f"still {scene.verb} {old_revision(scene)}"
    return f"{scene.verb} with {ready} of {scene.wanted} replicas"


def release_failed(scene: Scene) -> bool:
    """Whether the newest state was not rolled out for that: the Deployments are those of the revision in the App's status."""
    ready = meta.condition(scene.app or {}, "Ready") or {}
    return scene.kind == "App" and ready.get("reason") == "ReleaseFailed"


def old_revision(scene: Scene) -> str:
    """The revision that still runs: of its image, and the newest that was there when its replicas were asked for."""
    status = (scene.app or {}).get("status") or {}
    if release_failed(scene) and status.get("revision"):
        return f"revision {status['revision']}"
    running = {_image(r): r["metadata"].get("creationTimestamp") or "" for r in scene.replica_sets if count(r, "readyReplicas")}
    newest_number = status.get("revision", 0) + (1 if scene.waits_for_build else 0)
    known = [r for r in status.get("revisions") or () if r["image"] in running and r["number"] < newest_number]
    own = [r["number"] for r in known if r["createdAt"] <= running[r["image"]]] or [r["number"] for r in known]
    if not own and scene.waits_for_build and status.get("revision"):
        return f"revision {status['revision']}"
    return f"revision {max(own)}" if own else "the revision before"


def _image(replica_set: Object) -> str:
    found: str = replica_set["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def well(scene: Scene) -> str:
    """The sentence when there is nothing to explain; "" when it is not there yet."""
    if scene.kind == "Build":
        return "" if scene.waits_for_build else f"build {scene.name} succeeded"
    if scene.kind == "Ingress":
        return f"ingress {scene.name} is served"
    if scene.kind == "Pod":
        pod = scene.pods[0]
        if (pod.get("status") or {}).get("phase") == "Succeeded":
            return f"pod {scene.name} has ended with success"
        return f"pod {scene.name} is ready{_restarted([pod])}" if meta.is_true(pod, "Ready") else ""
    parts = [each for each in (scene, *scene.processes) if each.owner is not None]
    if not parts or scene.waits_for_build or not all(map(_is_whole, parts)):
        return ""
    wanted = sum(each.wanted for each in parts)
    numbers = f"with {wanted} of {wanted} replica{'' if wanted == 1 else 's'}"
    pods = [pod for each in parts for pod in (scene.pods if scene.app is None else each.current_pods)]
    if scene.app is None:
        return f"{scene.subject} {scene.verb} {numbers}{_restarted(pods)}"
    status = scene.app.get("status") or {}
    where = f" at {status['url']}" if status.get("url") else ""
    return f"{scene.name} {scene.verb} revision {status.get('revision', 0)} {numbers}{where}{_restarted(pods)}"


def _is_whole(scene: Scene) -> bool:
    """Whether all replicas that are wanted are ready, and no others are there."""
    seen = scene.workload is None or count(scene.workload, "observedGeneration") >= meta.generation(scene.workload)
    return seen and ready_count(scene.owner) >= scene.wanted and (scene.deployment is None or is_rolled_out(scene.deployment))


def _restarted(pods: Sequence[Object]) -> str:
    """The restarts that a working replica has behind it."""
    worst = max(pods, key=restarts, default=None)
    if worst is None or not restarts(worst):
        return ""
    ends = [(c.get("lastState") or {}).get("terminated") for c in (worst.get("status") or {}).get("containerStatuses") or ()]
    last = next((f", the last time after {e.get('reason') or 'Error'} (exit code {e.get('exitCode', 0)})" for e in ends if e), "")
    times = restarts(worst)
    return f"; pod {meta.name(worst)} was restarted {times} time{'' if times == 1 else 's'}{last}"


def _preparation(scene: Scene, build: Object) -> str:
    """What is being made before the build can go on, "" when nothing is."""
    told = [note for note in scene.notes_of(build) if note.reason in ("Preparing", "Prepared")]
    return told[-1].message if told and told[-1].reason == "Preparing" else ""


def waiting(scene: Scene) -> str:
    """Nothing is wrong, it is only not there yet."""
    build = scene.build
    if build is not None and scene.waits_for_build:
        since = age(scene.age_of(build))
        if preparation := _preparation(scene, build):
            return f"{scene.subject} waits for {since} for what its build needs: {preparation}"
        follow = f"logs {scene.name} --build -f" if scene.kind == "App" else f"kubectl logs -f {meta.name(build)}-build -c build"
        return f"{scene.subject} is being built for {since}; follow it with `ph {follow}`"
    if scene.owner is None and not scene.processes and scene.kind == "App":
        return f"{scene.name} is {age(scene.age_of(scene.app))} old and its objects are being made"
    if scene.kind == "Pod":
        return f"pod {scene.name} is starting for {age(scene.age_of(scene.pods[0]))}"
    parts = [scene, *scene.processes] if scene.owner is not None else scene.processes
    ready = sum(ready_count(newest(each.replica_sets) if each.replica_sets else each.owner) for each in parts)
    wanted = sum(each.wanted for each in parts)
    return f"{scene.subject} is being rolled out: {ready} of {wanted} replicas of the newest revision are ready"
