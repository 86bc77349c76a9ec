"""Pods in a Table: readiness, the one word that says how a pod is, restarts.

The status starts as the phase and is overridden by what is most telling: a failing init container, a waiting or ended container,
deletion.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, NONE, age, name, since
from pilothouse.model.json import Object

COLUMNS = (
    NAME_COLUMN,
    Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", "The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    ),
    AGE_COLUMN,
    Column("IP", "The first address of the pod.", priority=1),
    Column("Node", "The node that the pod runs on.", priority=1),
    Column("Nominated Node", "The node that is being cleared for the pod.", priority=1),
    Column("Readiness Gates", "How many of the pod's own readiness conditions are met.", priority=1),
)
_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


@dataclass(slots=True)
class _Tally:
    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count(self, container: Object) -> None:
        self.restarts += container.get("restartCount") or 0
        ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        # RFC 3339 in UTC sorts as text.
        self.last_restart = max(self.last_restart, ended or "")


def cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    tally = _tally(spec, status)
    sidecars = sum(1 for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always")
    total = len(spec.get("containers") or ()) + sidecars
    restarts = str(tally.restarts)
    if tally.restarts and tally.last_restart:
        restarts = f"{restarts} ({since(tally.last_restart, now)} ago)"
    return [
        name(obj),
        f"{tally.ready}/{total}",
        _when_deleted(obj, status, tally.reason),
        restarts,
        age(obj, now),
        _address(status) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def row_conditions(obj: Object) -> list[Object]:
    """What a row says beside its cells: that the pod's work is over."""
    phase = (obj.get("status") or {}).get("phase")
    if phase not in _ENDED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]


def _tally(spec: Object, status: Object) -> _Tally:
    reason = status.get("reason") or status.get("phase") or ""
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()):
        reason = "SchedulingGated"
    initial, sidecars = _Tally(reason), _Tally(reason)
    initializing = _initialization(spec, status, initial, sidecars)
    if initializing and not _is_true(status, "Initialized"):
        return initial
    sidecars.reason, sidecars.ready = initial.reason, initial.ready
    _containers(status, sidecars)
    return sidecars


def _initialization(spec: Object, status: Object, tally: _Tally, sidecars: _Tally) -> bool:
    """Whether init containers are still at work, and what the one at work says."""
    init = spec.get("initContainers") or ()
    restartable = {each.get("name") for each in init if each.get("restartPolicy") == "Always"}
    for i, container in enumerate(status.get("initContainerStatuses") or ()):
        tally.count(container)
        is_sidecar = container.get("name") in restartable
        if is_sidecar:
            sidecars.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and not ended.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            tally.ready += bool(container.get("ready"))
            continue
        if ended is not None:
            tally.reason = f"Init:{_ended(ended)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            tally.reason = f"Init:{waiting['reason']}"
        else:
            tally.reason = f"Init:{i}/{len(init)}"
        return True
    return False


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode') or 0}"


def _containers(status: Object, tally: _Tally) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        tally.count(container)
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            tally.reason = waiting["reason"]
        elif ended is not None:
            tally.reason = _ended(ended)
        elif container.get("ready") and state.get("running") is not None:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        tally.reason = "Running" if _is_true(status, "Ready") else "NotReady"


def _is_true(status: Object, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())


def _when_deleted(obj: Object, status: Object, reason: str) -> str:
    if not obj["metadata"].get("deletionTimestamp"):
        return reason
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return reason if status.get("phase") in _ENDED else "Terminating"


def _address(status: Object) -> str:
    addresses = status.get("podIPs") or ()
    found: str = (addresses[0].get("ip") if addresses else "") or ""
    return found


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or ()
    met = sum(_is_true(status, gate.get("conditionType") or "") for gate in gates)
    return f"{met}/{len(gates)}" if gates else NONE
