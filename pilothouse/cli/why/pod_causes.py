"""Why a pod does not run or is not ready: the first cause that its status and what was said about it show (pure).

Reasons and messages are those of upstream's scheduler and kubelet, so a foreign cluster is understood as well.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.cli.why.notes import Note
from pilothouse.model import meta
from pilothouse.model.json import Object

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"})
_CONFIG = frozenset({"CreateContainerConfigError"})
_START = frozenset({"CreateContainerError", "RunContainerError", "StartError"})
_NO_PROGRAM = re.compile(
    r'exec: "([^"]+)": (?:stat [^:]+: )?(executable file not found in \$PATH|no such file or directory|permission denied)'
)
_MISSING = re.compile(r'\b(secret|configmap) "([^"]+)" not found')
_VOLUME = re.compile(r'volume "([^"]+)"')
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]+)")
_EXITS = {
    126: "its command is not executable",
    127: "its command was not found",
    134: "it aborted",
    137: "it was killed",
    139: "it crashed with a segmentation fault",
    143: "it was asked to end",
}
_PULL_CAUSES = (
    (
        r"not found|manifest unknown|name unknown|NotFound",
        "image {image} does not exist in its registry",
        "correct the image's name or tag",
    ),
    (r"x509|certificate", "the certificate of the registry of image {image} is not trusted", "give the node the registry's CA"),
    (
        r"unauthorized|denied|authorization failed|\b401\b|\b403\b",
        "the registry of image {image} refuses access",
        "give the pod imagePullSecrets for that registry, or make the image public",
    ),
    (
        r"no such host|refused|timeout|unreachable|dial tcp|lookup ",
        "the registry of image {image} cannot be reached",
        "check the network to it, set a mirror with `ph config set registry.mirror HOST`, or use an image of the platform's registry",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """chain: clauses, the first cause first, each following from the one before. next_step: what to do about the first."""

    chain: tuple[str, ...]
    next_step: str


def of_pod(pod: Object, notes: Sequence[Note], app: str = "") -> Finding | None:
    """None when nothing is wrong (or nothing yet). notes: those about the pod, oldest first. app: whose replica it is."""
    status = pod.get("status") or {}
    if status.get("reason") == "Evicted":
        text = status.get("message") or "the node was short of a resource"
        return Finding((f"pod {meta.name(pod)} was evicted: {text.rstrip('. ')}",), "free that resource on the node, or ask for more of it")
    return _not_scheduled(pod) or _not_set_up(pod, notes) or _containers(pod, notes, app) or _lost(pod)


def of_note(note: Note, app: str = "") -> Finding | None:
    """What a note tells by itself, for an object that is gone."""
    if note.reason == "FailedScheduling":
        return unschedulable(note.name, note.message, None)
    if note.reason == "FailedCreate":
        return refused(note.name, note.message)
    if note.reason in ("FailedMount", "FailedCreatePodSandBox"):
        return _set_up_finding(note)
    if note.reason == "Exited":
        return _exited(note, app)
    if note.reason == "Unhealthy":
        return _probe("app", note.message, app, None)
    if note.reason in _PULL or (note.reason == "Failed" and "pull image" in note.message):
        found = re.search(r'image "([^"]+)"', note.message)
        return _pull("app", found[1] if found else "", note.reason, note.message)
    if note.reason == "Failed" and (_MISSING.search(note.message) or "couldn't find key" in note.message):
        return _config("app", note.message.removeprefix("Error: "), app)
    if note.reason == "Failed" and (program := _NO_PROGRAM.search(note.message)):
        return _no_program("app", program)
    if not note.is_trouble or note.reason == "BackOff":
        return None
    return Finding((f"{note.kind.lower()} {note.name}: {note.reason}: {note.message.rstrip('. ')}",), _logs(app, note.name))


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
    elif "taint" in text:
        step = "make the node ready again, remove its taint, or tolerate it"
    elif "affinity" in text or "selector" in text:
        step = "label a node as the pod's node selector asks, or change the selector"
    else:
        step = "see `ph kubectl get nodes`, and `ph status` for what does not run"
    return Finding((cause,), step)


def _requested(pod: Object, resource: str) -> str:
    amounts = [((c.get("resources") or {}).get("requests") or {}).get(resource) for c in pod["spec"].get("containers") or ()]
    return " + ".join(str(amount) for amount in amounts if amount)


def refused(owner: str, message: str) -> Finding:
    """Why the API server takes no pods of a ReplicaSet."""
    text = message.removeprefix("Error creating: ").rstrip(". ")
    effect = f"replicaset {owner} cannot create pods"
    if found := re.search(r"exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)", text):
        cause = f"quota {found[1]} is used up (requested {found[2]}, used {found[3]}, limited to {found[4]})"
        return Finding((cause, effect), f"raise it with `ph kubectl edit resourcequota {found[1]}`, free some of it, or ask for less")
    if found := re.search(r"failed quota: ([^:]+): must specify (.+)", text):
        return Finding((f"quota {found[1]} takes no pod that does not specify {found[2]}", effect), "set limits with --cpu and --memory")
    if found := re.search(r"is forbidden: ((?:maximum|minimum|\S+ max limit).+)", text):
        return Finding((f"a limit range refuses the pod: {found[1]}", effect), "ask for what it allows, or change the limit range")
    if found := re.search(r'serviceaccount "([^"]+)" not found', text):
        return Finding((f"service account {found[1]} does not exist", effect), f"create it with `ph kubectl create sa {found[1]}`")
    return Finding((f"the API server refuses the pods: {text}", effect), "correct what it names")


def _not_set_up(pod: Object, notes: Sequence[Note]) -> Finding | None:
    """What keeps the pod's network and volumes from being there; only while no container has started."""
    states = [c.get("state") or {} for c in _statuses(pod)]
    if any("running" in s or "terminated" in s or _waiting_reason(s) not in ("ContainerCreating", "PodInitializing", "") for s in states):
        return None
    telling = [n for n in notes if n.reason in ("FailedMount", "FailedCreatePodSandBox")]
    return _set_up_finding(telling[-1]) if telling and (pod.get("status") or {}).get("phase", "Pending") == "Pending" else None


def _set_up_finding(note: Note) -> Finding:
    if note.reason == "FailedCreatePodSandBox":
        return Finding(
            (f"the node cannot set up pod {note.name}: {note.message.rstrip('. ')}",), "see the node's log: `ph status` names it"
        )
    volume = found[1] if (found := _VOLUME.search(note.message)) else ""
    if missing := _MISSING.search(note.message):
        cause = f"{missing[1]} {missing[2]!r}, which volume {volume} is made from, does not exist".replace("'", '"')
        return Finding((cause, f"pod {note.name} cannot start"), _create(missing[1], missing[2], ""))
    return Finding((f"volume {volume} cannot be mounted: {note.message.rstrip('. ')}",), "correct the volume in the pod's spec")


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _waiting_reason(state: Object) -> str:
    return (state.get("waiting") or {}).get("reason") or ""


def _containers(pod: Object, notes: Sequence[Note], app: str) -> Finding | None:
    return next(_each_container(pod, notes, app), None)


def _each_container(pod: Object, notes: Sequence[Note], app: str) -> Iterator[Finding]:
    for container in _statuses(pod):
        state, name = container.get("state") or {}, container["name"]
        waiting = state.get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        last = (container.get("lastState") or {}).get("terminated")
        ended = state.get("terminated") or (last if reason in ("CrashLoopBackOff", *_START) else None)
        if reason in _PULL:
            yield _pull(name, container.get("image", ""), reason, _pull_message(message, notes))
        elif reason in _CONFIG:
            yield _config(name, message, app)
        elif program := _NO_PROGRAM.search(f"{message} {(ended or {}).get('message', '')}"):
            yield _no_program(name, program)
        elif reason in _START:
            yield Finding((f"container {name} cannot be started: {message or reason}",), "correct what the message names in the pod's spec")
        elif ended is not None and (ended.get("exitCode") or reason == "CrashLoopBackOff"):
            yield _ended(pod, container, ended, notes, app)
        elif "running" in state and not container.get("ready") and (probe := _probe_note(notes)):
            yield _probe(name, probe.message, app, _port(pod, name))


def _pull_message(message: str, notes: Sequence[Note]) -> str:
    """While it backs off, the status may say only that it does; what the registry said stands in an older note."""
    told = [n.message for n in notes if n.reason == "Failed" and "pull" in n.message.lower() and ": " in n.message]
    return f"{message} {told[-1]}" if told else message


def _pull(container: str, image: str, reason: str, message: str) -> Finding:
    effect = f"container {container} cannot start"
    if reason == "InvalidImageName":
        return Finding((f"{image!r} is no valid image name".replace("'", '"'), effect), "correct the image's name")
    if reason == "ErrImageNeverPull":
        return Finding((f"image {image} is not on the node and its pull policy is Never", effect), "load it, or allow it to be pulled")
    for pattern, cause, step in _PULL_CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return Finding((cause.format(image=image), effect), step)
    said = message.rpartition("desc = ")[2].strip() or "the node gives no reason"
    return Finding((f"image {image} cannot be pulled: {said}", effect), "correct the image's name, or see whether its registry works")


def _config(container: str, message: str, app: str) -> Finding:
    effect = f"container {container} cannot start"
    if missing := _MISSING.search(message):
        cause = f'{missing[1]} "{missing[2]}", which container {container} takes its environment from, does not exist'
        return Finding((cause, effect), _create(missing[1], missing[2], app))
    if found := re.search(r"couldn't find key (\S+) in (Secret|ConfigMap) (?:\S+/)?(\S+)", message):
        cause = f'{found[2].lower()} "{found[3]}" has no key {found[1]}, which container {container} takes its environment from'
        return Finding((cause, effect), f"add the key with `ph kubectl edit {found[2].lower()} {found[3]}`")
    return Finding(
        (f"container {container} cannot be configured: {message or 'the node gives no reason'}", effect), "correct the pod's spec"
    )


def _create(kind: str, name: str, app: str) -> str:
    generic = "secret generic" if kind == "secret" else kind
    deploy = "`ph deploy --secret KEY=VALUE`, or with " if app and name == f"{app}-secrets" else ""
    return f"create it with {deploy}`ph kubectl create {generic} {name} --from-literal=KEY=VALUE`"


def _no_program(container: str, found: "re.Match[str]") -> Finding:
    if found[2] == "permission denied":
        cause, step = (
            f"the program {found[1]} of container {container} is not executable",
            f"set the executable bit of {found[1]} in the image",
        )
    else:
        cause = f"the image of container {container} has no program {found[1]}"
        step = "correct the command: CMD or ENTRYPOINT of the image, or command of the spec"
    return Finding((cause, f"container {container} cannot start"), step)


def _ended(pod: Object, container: Object, ended: Object, notes: Sequence[Note], app: str) -> Finding:
    name, code, restarts = container["name"], int(ended.get("exitCode") or 0), container.get("restartCount", 0)
    again = f"it is started again and again ({restarts} restart{'' if restarts == 1 else 's'})" if restarts else "the pod has ended"
    if ended.get("reason") == "OOMKilled":
        limit = _limit(pod, name, "memory")
        bound = f"its memory limit of {limit}" if limit else "the memory of the node"
        option = " with `ph deploy --memory`" if app else f" of container {name}"
        step = f"raise the memory limit{option}, or make it use less"
        return Finding((f"container {name} exceeded {bound} and was killed (OOMKilled, exit code {code})", again), step)
    probe = next((n for n in reversed(notes) if n.reason == "Unhealthy" and n.message.startswith(("Liveness", "Startup"))), None)
    if probe is not None and code in (137, 143):
        chain = (*_probe(name, probe.message, app, None).chain[:1], f"container {name} was killed (exit code {code})", again)
        return Finding(chain, "make the probe's path answer in time, or give the probe more time")
    if code == 0:
        return Finding((f"container {name} ends by itself with exit code 0", again), "start a server that keeps running in its foreground")
    cause = f"container {name} ended with exit code {code}{_meaning(ended.get('message', ''), code)}"
    return Finding((cause, again), _logs(app, meta.name(pod), previous=bool(restarts)))


def _exited(note: Note, app: str) -> Finding | None:
    """The node's own decision. An end with a signal is what a pod that is asked to end has; what asked is told elsewhere."""
    container, code = note.facts.get("container", "app"), int(note.facts.get("exit_code") or 0)
    if note.facts.get("oom"):
        cause = f"container {container} exceeded its memory limit and was killed (OOMKilled, exit code {code})"
        return Finding((cause,), f"raise the memory limit{' with `ph deploy --memory`' if app else ''}, or make it use less")
    if code in (0, 137, 143):
        return None
    return Finding(
        (f"container {container} ended with exit code {code}{_meaning(note.facts.get('said', ''), code)}",), _logs(app, note.name)
    )


def _meaning(message: str, code: int) -> str:
    """The last line of what a container left, else what its exit code is known for."""
    said = _last_line(message) or _EXITS.get(code, "")
    return f": {said}" if said else ""


def _limit(pod: Object, container: str, resource: str) -> str:
    for each in pod["spec"].get("containers") or ():
        if each["name"] == container:
            return str(((each.get("resources") or {}).get("limits") or {}).get(resource) or "")
    return ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _probe_note(notes: Sequence[Note]) -> Note | None:
    return next((n for n in reversed(notes) if n.reason == "Unhealthy"), None)


def _port(pod: Object, container: str) -> int | None:
    for each in pod["spec"].get("containers") or ():
        if each["name"] == container:
            return next((port["containerPort"] for port in each.get("ports") or ()), None)
    return None


def _probe(container: str, message: str, app: str, port: int | None) -> Finding:
    which, _, said = message.partition(" probe failed: ")
    said = said or message
    cause = f"the {which.lower() if ' ' not in which else 'health'} probe of container {container} fails: {_last_line(said).rstrip('. ')}"
    if "refused" in said:
        option = ", or name the port that it listens on with `ph deploy --port`" if app else ""
        step = f"make it listen on 0.0.0.0:{port or 'PORT'}{option}"
    elif "statuscode" in said:
        step = "make the probe's path answer below 400" + (", or name another with `ph deploy --health`" if app else "")
    else:
        step = "make the probe succeed within its time"
    return Finding((cause,), step)


def _lost(pod: Object) -> Finding | None:
    status = pod.get("status") or {}
    ready = meta.condition(pod, "Ready") or {}
    if status.get("reason") == "NodeLost" or ready.get("reason") == "NodeStatusNeverUpdated":
        node = pod["spec"].get("nodeName", "")
        return Finding((f"node {node} does not report any more", f"the state of pod {meta.name(pod)} is unknown"), "see `ph status`")
    return None


def _logs(app: str, pod: str, *, previous: bool = False) -> str:
    flag = " --previous" if previous else ""
    return f"see `ph logs {app}{flag}`" if app else f"see `ph kubectl logs {pod}{flag}`"
