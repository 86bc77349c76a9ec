"""What becomes of a pod on a simulated node: it starts at once, and ends at once when it is told to. Pure.

A pod of a Job has then done its work; every other runs until it is deleted. A pod is ready when its readiness gates let it.
Source of the fields: kubernetes pkg/kubelet/status, prober.
"""

from pilothouse.model import meta
from pilothouse.model.json import Object

ENDED = ("Succeeded", "Failed")


def status(pod: Object, host: str, address: str, now: float) -> Object | None:
    """What the pod's status becomes, as a strategic merge patch; None when it is that already.

    host: its node's address. now: seconds since the epoch.
    """
    found = pod.get("status") or {}
    phase = found.get("phase")
    if phase in ENDED:
        return None
    if phase != "Running":
        return _running(pod, host, address, now)
    if _is_of_job(pod):
        return _done(pod, now)
    ready = meta.condition(pod, "Ready") or {}
    wanted = _readiness(pod)
    return None if ready.get("status") == wanted else {"conditions": [_condition("Ready", wanted, now)]}


def _running(pod: Object, host: str, address: str, now: float) -> Object:
    spec, stamp = pod["spec"], meta.rfc3339(now)
    ordinary = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") != "Always"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    types = ("PodReadyToStartContainers", "Initialized", "ContainersReady")
    patch: Object = {
        "phase": "Running",
        "startTime": stamp,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [*(_condition(each, "True", now) for each in types), _condition("Ready", _readiness(pod), now)],
        "containerStatuses": [_container(pod, each, {"running": {"startedAt": stamp}}) for each in spec["containers"]],
    }
    if ordinary or sidecars:
        ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": stamp, "finishedAt": stamp}}
        inits = [_container(pod, each, ended) for each in ordinary]
        patch["initContainerStatuses"] = [*inits, *(_container(pod, each, {"running": {"startedAt": stamp}}) for each in sidecars)]
    return patch


def _done(pod: Object, now: float) -> Object:
    stamp = meta.rfc3339(now)
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": pod["status"].get("startTime"), "finishedAt": stamp}}
    unready = [_condition(each, "False", now) | {"reason": "PodCompleted"} for each in ("Ready", "ContainersReady")]
    statuses = [_container(pod, each, ended) | {"ready": False, "started": False} for each in pod["spec"]["containers"]]
    return {"phase": "Succeeded", "conditions": unready, "containerStatuses": statuses}


def _container(pod: Object, container: Object, state: Object) -> Object:
    name, is_running = container["name"], "running" in state
    return {
        "name": name,
        "image": container["image"],
        "imageID": "",
        "containerID": f"simulated://{meta.uid(pod)}/{name}",
        "ready": True,
        "started": is_running,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }


def _condition(type_: str, value: str, now: float) -> Object:
    return {"type": type_, "status": value, "lastProbeTime": None, "lastTransitionTime": meta.rfc3339(now)}


def _readiness(pod: Object) -> str:
    gates = [each["conditionType"] for each in pod["spec"].get("readinessGates") or ()]
    return "True" if all((meta.condition(pod, gate) or {}).get("status") == "True" for gate in gates) else "False"


def _is_of_job(pod: Object) -> bool:
    return (meta.controller_of(pod) or {}).get("kind") == "Job"
