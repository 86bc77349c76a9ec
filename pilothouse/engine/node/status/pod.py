"""The status of a pod, built anew from what is known each time; whoever writes it compares with what was written. Pure.

Source: kubelet_pods.go (convertStatusToAPIStatus, getPhase), kubelet/status/generate.go.
"""

from collections.abc import Sequence

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.restarts import may_restart_all, restart_source, restarts
from pilothouse.engine.node.pod.state import PULL_SHOWN_S, PodState, Tracked, Waiting, target_is_missing
from pilothouse.engine.node.runtime.seam import CREATED, Container
from pilothouse.engine.node.status.message_sizes import bound_messages
from pilothouse.model import meta
from pilothouse.model.json import Object

FINAL = ("Succeeded", "Failed")
PULL_FAILED = "ErrImagePull"
PULL_BACKOFF = "ImagePullBackOff"


def phase(pod: Object, state: PodState) -> str:
    """Pending, Running, Succeeded or Failed, as it is shown: no pod has ended while a container of it runs.

    Others act on a final phase at once: the scheduler gives the pod's resources away, a Job makes the next pod.
    """
    decided = decided_phase(pod, state)
    if decided in FINAL and any(each.alive for each in state.containers.values()):
        return "Running" if state.initialized(pod) else "Pending"
    return decided


def decided_phase(pod: Object, state: PodState) -> str:
    """The phase that the pod is bound for: a final one as soon as its fate is certain."""
    present = (pod.get("status") or {}).get("phase")
    if state.failure is not None:
        return "Failed"
    if present in FINAL:
        return str(present)
    if _init_failed(pod, state):
        return "Failed"
    if state.terminating and not any(each.alive for each in state.containers.values()):
        # What is being deleted never runs again, whatever its policy: its last phase is a final one.
        return "Succeeded" if all(state.of(each).succeeded for each in podspec.containers(pod)) else "Failed"
    if not state.initialized(pod):
        return "Pending"
    if restart_source(pod, state) is not None:
        return "Running"
    main = [state.of(each) for each in podspec.containers(pod)]
    if any(each.latest is None or each.latest.state == CREATED for each in main):
        return "Running" if any(each.alive or each.exited or each.previous is not None for each in main) else "Pending"
    if any(each.alive or not each.exited or restarts(pod, spec, each) for spec, each in zip(podspec.containers(pod), main, strict=True)):
        return "Running"
    return "Succeeded" if all(each.succeeded for each in main) else "Failed"


def _init_failed(pod: Object, state: PodState) -> bool:
    if state.initialized(pod):
        return False
    ordinary = [(each, state.of(each)) for each in podspec.init_containers(pod) if not podspec.is_sidecar(each)]
    return any(tracked.exited and not tracked.succeeded and not restarts(pod, each, tracked) for each, tracked in ordinary)


def build(
    pod: Object, state: PodState, now: float, host_ips: Sequence[str], generation: int | None, *, stamp: float | None = None
) -> Object:
    """The status fields that the node is responsible for. now: by the clock that plans go by. stamp: the time of day, when it differs."""
    found, shown = decided_phase(pod, state), phase(pod, state)
    status: Object = {"phase": shown}
    if generation is not None:
        status["observedGeneration"] = generation
    failure = state.failure or _cut_short(pod, state)
    if failure is not None and shown == "Failed":
        status |= {"reason": failure.reason, "message": failure.message}
    if host_ips:
        status |= {"hostIP": host_ips[0], "hostIPs": [{"ip": ip} for ip in host_ips]}
    ips = tuple(host_ips) if podspec.host_network(pod) and state.sandbox is not None else state.ips
    if ips:
        status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    if state.started_at:
        status["startTime"] = meta.rfc3339(state.started_at)
    status["qosClass"] = podspec.qos_class(pod)
    if not state.rejected:
        # Containers that nobody has thought of making would be shown as being made.
        status["containerStatuses"] = [container_status(pod, each, state, now) for each in podspec.containers(pod)]
    if podspec.init_containers(pod) and not state.rejected:
        status["initContainerStatuses"] = [container_status(pod, each, state, now) for each in podspec.init_containers(pod)]
    if podspec.ephemeral_containers(pod):
        status["ephemeralContainerStatuses"] = [ephemeral_status(pod, each, state, now) for each in podspec.ephemeral_containers(pod)]
    bound_messages(pod, status)
    status["conditions"] = conditions(pod, state, found, now if stamp is None else stamp, generation)
    return status


def _cut_short(pod: Object, state: PodState) -> Waiting | None:
    """Why a pod has failed that never restarts, though its containers may have ended with 0."""
    if any(state.of(each).cut for each in podspec.containers(pod)):
        return Waiting("SandboxLost", "The pod's sandbox ended before its containers had done their work")
    return None


def container_status(pod: Object, container: Object, state: PodState, now: float) -> Object:
    tracked = state.of(container)
    latest = tracked.latest
    shown = _state(pod, container, state, tracked, now)
    running = "running" in shown
    result: Object = {
        "name": tracked.name,
        "state": shown,
        "lastState": _last_state(tracked, shown),
        "ready": _is_ready(pod, container, tracked, running=running),
        "restartCount": tracked.restarts,
        "image": (latest.image if latest is not None else "") or container["image"],
        "imageID": latest.image_ref if latest is not None else "",
        "started": running and tracked.started,
    }
    if latest is not None:
        result["containerID"] = f"containerd://{latest.id}"
    if running:
        result |= _resources(container, tracked)
    if signal := (container.get("lifecycle") or {}).get("stopSignal"):
        result["stopSignal"] = signal
    mounts = [_mount(mount) for mount in container.get("volumeMounts") or ()]
    return result | ({"volumeMounts": mounts} if mounts else {})


def ephemeral_status(pod: Object, container: Object, state: PodState, now: float) -> Object:
    """It is neither ready nor started, as upstream shows it: both are for containers that serve."""
    shown = container_status(pod, container, state, now) | {"ready": False}
    return {name: value for name, value in shown.items() if name != "started"}


def _is_ready(pod: Object, container: Object, tracked: Tracked, *, running: bool) -> bool:
    """An ordinary init container is ready when it has succeeded, any other when it runs and its probes agree."""
    if running:
        return tracked.started and tracked.ready
    return tracked.succeeded and podspec.is_ordinary_init(pod, container)


def _resources(container: Object, tracked: Tracked) -> Object:
    """What it has, and what it has been allotted: the pod's spec, as the node goes by it, says the latter."""
    given = container.get("resources") or {}
    result: Object = {"resources": given if tracked.actual is None else tracked.actual}
    return result | ({"allocatedResources": given["requests"]} if given.get("requests") else {})


def _mount(mount: Object) -> Object:
    shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    recursive = "Enabled" if podspec.is_recursively_read_only(mount) else "Disabled"
    return shown | ({"readOnly": True, "recursiveReadOnly": recursive} if mount.get("readOnly") else {})


def _state(pod: Object, container: Object, state: PodState, tracked: Tracked, now: float) -> Object:
    if tracked.running and tracked.latest is not None:
        return {"running": {"startedAt": meta.rfc3339(tracked.latest.started_at)}}
    if tracked.waiting is not None and not tracked.alive:
        return _waiting(_shown(tracked.waiting, container, tracked, now))
    # What runs again although it may have ended with 0 was never shown as ended: the API server lets nothing come back from there.
    comes_back = tracked.redo or (tracked.cut and _will_restart(pod, container, state, tracked))
    if tracked.exited and tracked.latest is not None and not comes_back:
        if tracked.delay_s and _will_restart(pod, container, state, tracked):
            return _waiting(Waiting("CrashLoopBackOff", _back_off(pod, tracked)))
        return {"terminated": terminated(tracked.latest, oom=tracked.latest.id in state.oom)}
    if target_is_missing(pod, container, state):
        return _waiting(Waiting("ContainerCreating", f"waiting for target container {container['targetContainerName']} to run"))
    if problem := _image_problem(container, state):
        return _waiting(problem)
    initializing = bool(podspec.init_containers(pod)) and not tracked.busy
    return _waiting(Waiting("PodInitializing" if initializing else "ContainerCreating"))


def _image_problem(container: Object, state: PodState) -> Waiting | None:
    """Of an image that the container mounts."""
    mounted = (state.image_problems.get(mount["name"]) for mount in container.get("volumeMounts") or ())
    return next((each for each in mounted if each is not None), None)


def _shown(waiting: Waiting, container: Object, tracked: Tracked, now: float) -> Waiting:
    """A failed pull is told as such for a moment, then as the back-off that follows it."""
    if waiting.reason != PULL_FAILED or now < tracked.failed_at + PULL_SHOWN_S:
        return waiting
    return Waiting(PULL_BACKOFF, f'Back-off pulling image "{container["image"]}": {waiting.reason}: {waiting.message}')


def _waiting(waiting: Waiting) -> Object:
    return {"waiting": {"reason": waiting.reason} | ({"message": waiting.message} if waiting.message else {})}


def _will_restart(pod: Object, container: Object, state: PodState, tracked: Tracked) -> bool:
    if state.terminating or state.finished or state.failure is not None:
        return False
    return restarts(pod, container, tracked)


def _back_off(pod: Object, tracked: Tracked) -> str:
    return f"back-off {duration(tracked.delay_s)} restarting failed container={tracked.name} pod={full_name(pod)}"


def full_name(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def duration(seconds: float) -> str:
    """As Go prints it: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _last_state(tracked: Tracked, shown: Object) -> Object:
    if tracked.latest is not None and tracked.exited and "terminated" not in shown:
        return {"terminated": terminated(tracked.latest, oom=False)}
    if tracked.previous is not None:
        return {"terminated": terminated(tracked.previous, oom=False)}
    return {}


def terminated(container: Container, *, oom: bool) -> Object:
    reason = container.reason or ("Completed" if container.exit_code == 0 else "Error")
    result: Object = {"exitCode": container.exit_code, "reason": "OOMKilled" if oom and container.exit_code else reason}
    if container.message:
        result["message"] = container.message
    # A container whose start failed carries the epoch or nothing as its start.
    result["startedAt"] = meta.rfc3339(container.started_at) if container.started_at > 0 else None
    result["finishedAt"] = meta.rfc3339(container.finished_at) if container.finished_at > 0 else None
    result["containerID"] = f"containerd://{container.id}"
    return result


def conditions(pod: Object, state: PodState, found: str, now: float, generation: int | None) -> list[Object]:
    """The node's own conditions, with the times of those that have not changed kept from the pod's present status."""
    stamp = meta.rfc3339(now)
    result: list[Object] = []
    for condition in _conditions(pod, state, found):
        seen = {} if generation is None else {"observedGeneration": generation}
        old = meta.condition(pod, condition["type"])
        kept = old is not None and old.get("status") == condition["status"] and old.get("lastTransitionTime")
        transition = old["lastTransitionTime"] if kept and old is not None else stamp
        result.append({"type": condition["type"], **seen, "lastProbeTime": None, "lastTransitionTime": transition, **condition})
    return result


def _conditions(pod: Object, state: PodState, found: str) -> list[Object]:
    initialized = _initialized(pod, state, found)
    containers_ready = _containers_ready(pod, state, found)
    sandboxed = state.has_sandbox and bool(state.ips or podspec.host_network(pod))
    again = [_condition("AllContainersRestarting", restart_source(pod, state) is not None)] if may_restart_all(pod) else []
    target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": state.disruption}
    return [
        _condition("PodReadyToStartContainers", sandboxed),
        initialized,
        _ready(pod, containers_ready),
        {"type": "ContainersReady", **containers_ready},
        *again,
        *([target] if state.disruption else []),
        *_resizing(pod, state),
    ]


def _resizing(pod: Object, state: PodState) -> list[Object]:
    """Source: KEP-1287, "Resize Status"."""
    result: list[Object] = []
    if state.resize_problem is not None:
        result.append(_condition("PodResizePending", True) | state.resize_problem._asdict())
    tracked = [(each, state.of(each)) for each in [*podspec.init_containers(pod), *podspec.containers(pod)]]
    if any(each.alive and each.actual not in (None, spec.get("resources") or {}) for spec, each in tracked):
        why = {"reason": "Error", "message": state.resize_error} if state.resize_error else {}
        result.append(_condition("PodResizeInProgress", True) | why)
    return result


def _condition(type: str, true: bool) -> Object:
    return {"type": type, "status": "True" if true else "False"}


def _initialized(pod: Object, state: PodState, found: str) -> Object:
    if found == "Succeeded":
        return {"type": "Initialized", "status": "True", "reason": "PodCompleted"}
    if state.initialized(pod):
        return _condition("Initialized", True)
    names = [each["name"] for each in podspec.init_containers(pod) if not _init_complete(each, state.of(each))]
    message = f"containers with incomplete status: [{' '.join(names)}]"
    return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}


def _init_complete(container: Object, tracked: Tracked) -> bool:
    return tracked.running and tracked.started if podspec.is_sidecar(container) else tracked.succeeded


def _containers_ready(pod: Object, state: PodState, found: str) -> Object:
    if found == "Succeeded":
        return {"status": "False", "reason": "PodCompleted"}
    if found == "Failed":
        return {"status": "False", "reason": "PodFailed"}
    wanted = [*(each for each in podspec.init_containers(pod) if podspec.is_sidecar(each)), *podspec.containers(pod)]
    unready = [each["name"] for each in wanted if not _counts_as_ready(state.of(each))]
    if unready:
        return {"status": "False", "reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    return {"status": "True"}


def _counts_as_ready(tracked: Tracked) -> bool:
    return tracked.running and tracked.started and tracked.ready


def _ready(pod: Object, containers_ready: Object) -> Object:
    """Containers ready, and every readiness gate that somebody else keeps."""
    if containers_ready["status"] != "True":
        return {"type": "Ready", **containers_ready}
    gates = [gate["conditionType"] for gate in podspec.spec(pod).get("readinessGates") or ()]
    missing = [
        f'the status of pod readiness gate "{gate}" is not "True", but {_gate(pod, gate)}' for gate in gates if not meta.is_true(pod, gate)
    ]
    if missing:
        return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(missing)}
    return {"type": "Ready", "status": "True"}


def _gate(pod: Object, gate: str) -> str:
    found = meta.condition(pod, gate)
    return "False" if found is None else str(found.get("status"))
