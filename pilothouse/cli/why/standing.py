"""How an app stands, in half a sentence: what serves, what is still coming, or that all is well (pure)."""

from collections.abc import Sequence

from pilothouse.cli.output import age
from pilothouse.cli.why.scene import Scene, count, is_rolled_out, newest, restarts
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
    ready, current = count(owner, "readyReplicas"), newest(scene.replica_sets)
    if not ready:
        return "does not serve"
    if scene.kind == "App" and not scene.waits_for_build and owner is not None and is_rolled_out(owner):
        return "runs but cannot be reached"
    if scene.waits_for_build or (current is not None and not count(current, "readyReplicas")):
        return f"still serves {_old_revision(scene)}"
    return f"serves with {ready} of {(owner or {})['spec'].get('replicas', 1)} replicas"


def _old_revision(scene: Scene) -> str:
    """The revision that still runs, by its image."""
    status = (scene.app or {}).get("status") or {}
    if scene.app is not None and scene.waits_for_build and status.get("revision"):
        return f"revision {status['revision']}"
    running = {_image(r) for r in scene.replica_sets if count(r, "readyReplicas")}
    earlier = [r["number"] for r in status.get("revisions") or () if r["image"] in running and r["number"] != status.get("revision")]
    return f"revision {max(earlier)}" if earlier else "the revision before"


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
    owner = scene.owner
    if owner is None or scene.waits_for_build:
        return ""
    wanted, ready = owner["spec"].get("replicas", 1), count(owner, "readyReplicas")
    if ready < wanted or (scene.deployment is not None and not is_rolled_out(scene.deployment)):
        return ""
    serving = f"with {ready} of {wanted} replica{'' if wanted == 1 else 's'}"
    if scene.app is None:
        return f"{scene.subject} serves {serving}{_restarted(scene.pods)}"
    status = scene.app.get("status") or {}
    where = f"{serving} at {status.get('url', '')}"
    return f"{scene.name} serves revision {status.get('revision', 0)} {where}{_restarted(scene.current_pods)}"


def _restarted(pods: Sequence[Object]) -> str:
    """The restarts that a working replica has behind it."""
    worst = max(pods, key=restarts, default=None)
    if worst is None or not restarts(worst):
        return ""
    ends = [(c.get("lastState") or {}).get("terminated") for c in (worst.get("status") or {}).get("containerStatuses") or ()]
    last = next((f", the last time after {e.get('reason') or 'Error'} (exit code {e.get('exitCode', 0)})" for e in ends if e), "")
    times = restarts(worst)
    return f"; pod {meta.name(worst)} was restarted {times} time{'' if times == 1 else 's'}{last}"


def waiting(scene: Scene) -> str:
    """Nothing is wrong, it is only not there yet."""
    build = scene.build
    if build is not None and scene.waits_for_build:
        since = age(scene.age_of(build))
        return f"{scene.subject} is being built for {since}; follow it with `ph kubectl logs -f {meta.name(build)}-build -c build`"
    if scene.deployment is None and scene.kind == "App":
        return f"{scene.name} is {age(scene.age_of(scene.app))} old and its objects are being made"
    if scene.kind == "Pod":
        return f"pod {scene.name} is starting for {age(scene.age_of(scene.pods[0]))}"
    owner = scene.owner
    wanted = (owner or {"spec": {}})["spec"].get("replicas", 1)
    ready = count(newest(scene.replica_sets) if scene.replica_sets else owner, "readyReplicas")
    return f"{scene.subject} is being rolled out: {ready} of {wanted} replicas of the newest revision are ready"
