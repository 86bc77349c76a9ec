"""Why a pod does not run or is not ready: the first cause that its status and what was said about it show (pure).

Reasons and messages are those of upstream's scheduler and kubelet, so a foreign cluster is understood as well.
"""

import re
from collections.abc import Sequence

from pilothouse.cli.why.answer_causes import of_answer
from pilothouse.cli.why.container_causes import MISSING, NO_PROGRAM, config, create, exited, logs, no_program, of_containers, statuses
from pilothouse.cli.why.finding import SOON, Finding, State
from pilothouse.cli.why.inside import Inside
from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.probe_causes import of_probe
from pilothouse.cli.why.pull_causes import PULL, of_pull
from pilothouse.model import meta
from pilothouse.model.json import Object

_VOLUME = re.compile(r'volume "([^"]+)"')
_NO_DRIVER, _OF_DRIVER = "not found in the list of registered CSI drivers", re.compile(r" : driver \S+: Node\w+: ")
_NO_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]+)")


NOTHING_SEEN = Inside()


def of_pod(pod: Object, notes: Sequence[Note], now: float, app: str = "", *, inside: Inside = NOTHING_SEEN) -> Finding | None:
    """None when nothing is wrong (or nothing yet). notes: those about the pod, oldest first. app: whose replica it is."""
    status = pod.get("status") or {}
    if status.get("reason") == "Evicted":
        text = status.get("message") or "the node was short of a resource"
        return Finding((f"pod {meta.name(pod)} was evicted: {text.rstrip('. ')}",), "free that resource on the node, or ask for more of it")
    found = _not_let_go(pod, notes) or _not_scheduled(pod) or _not_set_up(pod, notes) or of_containers(pod, notes, inside, app, now)
    return found or _lost(pod) or of_answer(pod, inside, app, now)


def of_note(note: Note, app: str = "") -> Finding | None:
    """What a note tells by itself, for an object that is gone."""
    if note.reason == "FailedScheduling":
        return unschedulable(note.name, note.message, None)
    if note.reason == "FailedCreate":
        return refused(note.name, note.message, note.kind.lower())
    if note.reason in ("FailedMount", "FailedCreatePodSandBox"):
        return _set_up_finding(note)
    if note.reason == "Exited":
        return exited(note, app)
    if note.reason == "Unhealthy":
        return of_probe("app", note.message, app, None, None)
    if note.reason in PULL or (note.reason == "Failed" and "pull image" in note.message):
        found = re.search(r'image "([^"]+)"', note.message)
        return of_pull("app", found[1] if found else "", note.reason, note.message)
    if note.reason == "Failed" and (MISSING.search(note.message) or "couldn't find key" in note.message):
        return config("app", note.message.removeprefix("Error: "), app)
    if note.reason == "Failed" and (program := NO_PROGRAM.search(note.message)):
        return no_program("app", program)
    if not note.is_trouble or note.reason == "BackOff":
        return None
    step = logs(app, note.name) if app or note.kind == "Pod" else "what is said below tells more"
    return Finding((f"{note.kind.lower()} {note.name}: {note.reason}: {note.message.rstrip('. ')}",), step)


def _not_scheduled(pod: Object) -> Finding | None:
    condition = meta.condition(pod, "PodScheduled")
    if condition is None or condition.get("status") != "False":
        return None
    if condition.get("reason") == "SchedulingGated":
        return Finding((f"pod {meta.name(pod)} is held by its scheduling gates",), "remove spec.schedulingGates when it may start")
    return unschedulable(meta.name(pod), condition.get("message", ""), pod)


def unschedulable(name: str, message: str, pod: Object | None) -> Finding:
    text = message.partition(" preemption:")[0].rstrip(". ")
    short = [found[1] for found in _INSUFFICIENT.finditer(text)]
    asked = [f"{resource} {amount}" for resource in short if pod is not None and (amount := _requested(pod, resource))]
    wish = f", which asks for {' and '.join(asked)}" if asked else ""
    cause = f"no node can take pod {name}{wish}: {text}"
    if short:
        step = f"ask for less {' and '.join(short)}, scale something down, or add a node"
    elif "were unschedulable" in text and "taint" not in text:
        step = "a cordoned node takes no new pods: `ph status` names it, `ph kubectl uncordon NODE` lets it take them again"
    elif missing := _NO_CLAIM.search(text):
        step = f"create claim {missing[1]}, or correct its name in the pod's volumes"
    elif "persistentvolume" in text.lower():
        step = "`ph kubectl describe pvc` says what the pod's claims wait for"
    elif "taint" in text:
        step = "make the node ready again, remove its taint, or tolerate it"
    elif "topology spread" in text:
        step = "add a node where fewest of the pods are, or let its topologySpreadConstraints bear more (maxSkew, ScheduleAnyway)"
    elif "pod affinity" in text or "anti-affinity" in text:
        step = "add a node, or change the pod's affinity to other pods"
    elif "affinity" in text or "selector" in text:
        step = "label a node as the pod's node selector asks, or change the selector"
    else:
        step = "see `ph kubectl get nodes`, and `ph status` for what does not run"
    return Finding((cause,), step, State.OUT_OF_ROOM if short else State.UNSCHEDULABLE, SOON if short else None)


def _requested(pod: Object, resource: str) -> str:
    amounts = [((c.get("resources") or {}).get("requests") or {}).get(resource) for c in pod["spec"].get("containers") or ()]
    return " + ".join(str(amount) for amount in amounts if amount)


def refused(owner: str, message: str, kind: str = "replicaset") -> Finding:
    """Why the API server takes no pods of a ReplicaSet or another set."""
    text = message.removeprefix("Error creating: ").rstrip(". ")
    effect = f"{kind} {owner} cannot create pods"
    if found := re.search(r"exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)", text):
        cause = f"quota {found[1]} is used up (requested {found[2]}, used {found[3]}, limited to {found[4]})"
        step = f"raise it with `ph kubectl edit resourcequota {found[1]}`, free some of it, or ask for less"
        return Finding((cause, effect), step, State.OUT_OF_ROOM, SOON)
    if found := re.search(r"failed quota: ([^:]+): must specify (.+)", text):
        cause = f"quota {found[1]} takes no pod that does not specify {found[2]}"
        return Finding((cause, effect), "set limits with --cpu and --memory", State.REFUSED, SOON)
    if found := re.search(r"is forbidden: ((?:maximum|minimum|\S+ max limit).+)", text):
        step = "ask for what it allows, or change the limit range"
        return Finding((f"a limit range refuses the pod: {found[1]}", effect), step, State.REFUSED, SOON)
    if found := re.search(r'serviceaccount "([^"]+)" not found', text):
        step = f"create it with `ph kubectl create sa {found[1]}`"
        return Finding((f"service account {found[1]} does not exist", effect), step, State.CONFIG_MISSING, SOON)
    if found := re.search(r'failed calling webhook "([^"]+)": (.+)', text):
        step = "start its server again; `ph status` names its configuration, and how to take it away"
        return Finding((f"webhook {found[1]} does not answer: {found[2]}", effect), step, State.REFUSED, SOON)
    if found := re.search(r'admission webhook "([^"]+)" denied the request(?:: (.+))?', text):
        step = "correct what it names, or change the webhook"
        return Finding((f"webhook {found[1]} refuses the pods: {found[2] or 'it gives no reason'}", effect), step, State.REFUSED, SOON)
    return Finding((f"the API server refuses the pods: {text}", effect), "correct what it names", State.REFUSED, SOON)


def _not_set_up(pod: Object, notes: Sequence[Note]) -> Finding | None:
    """What keeps the pod's network and volumes from being there; only while no container has started."""
    states = [c.get("state") or {} for c in statuses(pod)]
    reasons = {(s.get("waiting") or {}).get("reason") or "" for s in states}
    if any("running" in s or "terminated" in s for s in states) or reasons - {"ContainerCreating", "PodInitializing", ""}:
        return None
    telling = [n for n in notes if n.reason in ("FailedMount", "FailedCreatePodSandBox")]
    return _set_up_finding(telling[-1]) if telling and (pod.get("status") or {}).get("phase", "Pending") == "Pending" else None


def _set_up_finding(note: Note) -> Finding:
    if note.reason == "FailedCreatePodSandBox":
        return Finding(
            (f"the node cannot set up pod {note.name}: {note.message.rstrip('. ')}",), "see the node's log: `ph status` names it"
        )
    volume = found[1] if (found := _VOLUME.search(note.message)) else ""
    if missing := MISSING.search(note.message):
        cause = f"{missing[1]} {missing[2]!r}, which volume {volume} is made from, does not exist".replace("'", '"')
        return Finding((cause, f"pod {note.name} cannot start"), create(missing[1], missing[2], ""), State.CONFIG_MISSING, SOON)
    said = f"volume {volume} cannot be mounted: {note.message.rstrip('. ')}"
    if _NO_DRIVER in note.message:
        return Finding(
            (said,), "see whether the driver's pod runs on that node (`ph kubectl get csinodes`); the pod starts when it has registered"
        )
    if _OF_DRIVER.search(note.message):
        return Finding((said,), "see the logs of the driver's pods")
    return Finding((said,), "correct the volume in the pod's spec")


def _not_let_go(pod: Object, notes: Sequence[Note]) -> Finding | None:
    """A pod that is being deleted and waits for a storage driver."""
    telling = [each for each in notes if each.reason == "FailedUnmount"]
    if not meta.is_deleting(pod) or not telling:
        return None
    cause = f"pod {meta.name(pod)} cannot end: {telling[-1].message.rstrip('. ')}"
    return Finding((cause,), "bring the storage driver back; the node tries again by itself")


def _lost(pod: Object) -> Finding | None:
    status = pod.get("status") or {}
    ready = meta.condition(pod, "Ready") or {}
    if status.get("reason") == "NodeLost" or ready.get("reason") == "NodeStatusNeverUpdated":
        node = pod["spec"].get("nodeName", "")
        return Finding((f"node {node} does not report any more", f"the state of pod {meta.name(pod)} is unknown"), "see `ph status`")
    return None
