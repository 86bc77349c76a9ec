"""Why a container does not run or is not ready: from its status, what was said about it, and what was seen inside (pure)."""

import re
from collections.abc import Iterator, Sequence

from pilothouse.cli.why.claim_causes import full
from pilothouse.cli.why.finding import AT_ONCE, SOON, Finding, State
from pilothouse.cli.why.inside import Inside, missing_variable
from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.probe_causes import of_probe
from pilothouse.cli.why.pull_causes import PULL, image_meant, of_pull, pull_message
from pilothouse.model import meta
from pilothouse.model.json import Object

MISSING = re.compile(r'\b(secret|configmap) "([^"]+)" not found')
NO_PROGRAM = re.compile(
    r'exec: "([^"]+)": (?:stat [^:]+: )?(executable file not found in \$PATH|no such file or directory|permission denied)'
)
_CONFIG = frozenset({"CreateContainerConfigError"})
_START = frozenset({"CreateContainerError", "RunContainerError", "StartError"})
_LONGEST = 200
_LATELY_S = 60.0
"""A container that runs again is not well as long as its last end is not longer ago."""
_EXITS = {
    126: "its command is not executable",
    127: "its command was not found",
    134: "it aborted",
    137: "it was killed",
    139: "it crashed with a segmentation fault",
    143: "it was asked to end",
}


def statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def of_containers(pod: Object, notes: Sequence[Note], inside: Inside, app: str, now: float) -> Finding | None:
    return next(_each(pod, notes, inside, app, now), None)


def _each(pod: Object, notes: Sequence[Note], inside: Inside, app: str, now: float) -> Iterator[Finding]:
    for container in statuses(pod):
        state, name = container.get("state") or {}, container["name"]
        waiting = state.get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        ended = _ended_last(container, reason, now)
        if reason in PULL:
            yield of_pull(name, image_meant(container.get("image", ""), message), reason, pull_message(message, notes))
        elif reason in _CONFIG:
            yield config(name, message, app)
        elif program := NO_PROGRAM.search(f"{message} {(ended or {}).get('message', '')}"):
            yield no_program(name, program)
        elif reason in _START:
            step = "correct what the message names in the pod's spec"
            yield Finding((f"container {name} cannot be started: {message or reason}",), step, certain_after_s=SOON)
        elif ended is not None and (ended.get("exitCode") or reason == "CrashLoopBackOff"):
            yield _ended(pod, container, ended, notes, inside, app)
        elif "running" in state and not container.get("ready") and (probe := _probe_note(notes)):
            yield of_probe(name, probe.message, app, _port(pod, name), inside.listeners)


def _ended_last(container: Object, reason: str, now: float) -> Object | None:
    """How a container ended that does not run, or that runs again for a moment after several ends."""
    state = container.get("state") or {}
    last: Object | None = (container.get("lastState") or {}).get("terminated")
    if reason in ("CrashLoopBackOff", *_START):
        return last
    if "running" in state and not container.get("ready") and container.get("restartCount", 0) > 1 and last is not None:
        finished = last.get("finishedAt")
        return last if finished and now - meta.parse_rfc3339(finished) < _LATELY_S else None
    ended: Object | None = state.get("terminated")
    return ended


def config(container: str, message: str, app: str) -> Finding:
    effect = f"container {container} cannot start"
    if missing := MISSING.search(message):
        cause = f'{missing[1]} "{missing[2]}", which container {container} takes its environment from, does not exist'
        return Finding((cause, effect), create(missing[1], missing[2], app), State.CONFIG_MISSING, SOON)
    if found := re.search(r"couldn't find key (\S+) in (Secret|ConfigMap) (?:\S+/)?(\S+)", message):
        cause = f'{found[2].lower()} "{found[3]}" has no key {found[1]}, which container {container} takes its environment from'
        step = f"add the key with `ph kubectl edit {found[2].lower()} {found[3]}`"
        return Finding((cause, effect), step, State.CONFIG_MISSING, SOON)
    cause = f"container {container} cannot be configured: {message or 'the node gives no reason'}"
    return Finding((cause, effect), "correct the pod's spec", State.CONFIG_MISSING, SOON)


def create(kind: str, name: str, app: str) -> str:
    """The way to make a missing Secret or ConfigMap."""
    generic = "secret generic" if kind == "secret" else kind
    deploy = "`ph deploy --secret KEY=VALUE`, or with " if app and name == f"{app}-secrets" else ""
    return f"create it with {deploy}`ph kubectl create {generic} {name} --from-literal=KEY=VALUE`"


def no_program(container: str, found: "re.Match[str]") -> Finding:
    if found[2] == "permission denied":
        cause, step = (
            f"the program {found[1]} of container {container} is not executable",
            f"set the executable bit of {found[1]} in the image",
        )
    else:
        cause = f"the image of container {container} has no program {found[1]}"
        step = "correct the command: CMD or ENTRYPOINT of the image, or command of the spec"
    return Finding((cause, f"container {container} cannot start"), step, State.NO_PROGRAM, AT_ONCE)


def _ended(pod: Object, container: Object, ended: Object, notes: Sequence[Note], inside: Inside, app: str) -> Finding:
    name, code, restarts = container["name"], int(ended.get("exitCode") or 0), container.get("restartCount", 0)
    again = f"it is started again and again ({restarts} restart{'' if restarts == 1 else 's'})" if restarts else "the pod has ended"
    # A first end may be bad luck, such as a database that is not up yet.
    certain_after_s = AT_ONCE if restarts else None
    if ended.get("reason") == "OOMKilled":
        return _out_of_memory(name, code, _limit(pod, name, "memory"), again, app, certain_after_s)
    probe = next((n for n in reversed(notes) if n.reason == "Unhealthy" and n.message.startswith(("Liveness", "Startup"))), None)
    if probe is not None and code in (137, 143):
        cause = of_probe(name, probe.message, app, None, None).chain[0]
        step = "make the probe's path answer in time, or give the probe more time"
        return Finding((cause, f"container {name} was killed (exit code {code})", again), step, State.UNHEALTHY)
    if code == 0:
        cause, step = f"container {name} ends by itself with exit code 0", "start a program that keeps running in its foreground"
        return Finding((cause, again), step, State.ENDED, certain_after_s)
    said = ended.get("message", "") or inside.telling_line
    cause = f"container {name} ended with exit code {code}{_meaning(said, code)}"
    step = logs(app, meta.name(pod), name if len(pod["spec"].get("containers") or ()) > 1 else "", previous=bool(restarts))
    if found := full(pod, "\n".join([said, *inside.lines]), app):
        return Finding((found[0], cause, again), found[1], State.OUT_OF_ROOM, certain_after_s)
    if app and (variable := inside.missing_variable or missing_variable(said.splitlines())):
        step = f"set it with `ph env set {app} {variable}=VALUE`, or {step}"
    return Finding((cause, again), step, State.CRASHING, certain_after_s)


def _out_of_memory(name: str, code: int, limit: str, again: str, app: str, certain_after_s: float | None) -> Finding:
    bound = f"its memory limit of {limit}" if limit else "the memory of the node"
    option = " with `ph deploy --memory`" if app else f" of container {name}"
    cause, step = f"container {name} exceeded {bound} and was killed (OOMKilled, exit code {code})", f"raise the memory limit{option}"
    return Finding((cause, again), f"{step}, or make it use less", State.OUT_OF_MEMORY, certain_after_s)


def exited(note: Note, app: str) -> Finding | None:
    """The node's own decision. An end with a signal is what a pod that is asked to end has; what asked is told elsewhere."""
    container, code = note.facts.get("container", "app"), int(note.facts.get("exit_code") or 0)
    if note.facts.get("oom"):
        cause = f"container {container} exceeded its memory limit and was killed (OOMKilled, exit code {code})"
        step = f"raise the memory limit{' with `ph deploy --memory`' if app else ''}, or make it use less"
        return Finding((cause,), step, State.OUT_OF_MEMORY)
    if code in (0, 137, 143):
        return None
    cause = f"container {container} ended with exit code {code}{_meaning(note.facts.get('said', ''), code)}"
    return Finding((cause,), logs(app, note.name), State.CRASHING)


def _meaning(message: str, code: int) -> str:
    """The last line of what a container left, else what its exit code is known for."""
    said = _last_line(message) or _EXITS.get(code, "")
    return f": {said}" if said else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST].rstrip(". ") if lines else ""


def _limit(pod: Object, container: str, resource: str) -> str:
    for each in pod["spec"].get("containers") or ():
        if each["name"] == container:
            return str(((each.get("resources") or {}).get("limits") or {}).get(resource) or "")
    return ""


def _probe_note(notes: Sequence[Note]) -> Note | None:
    return next((n for n in reversed(notes) if n.reason == "Unhealthy"), None)


def _port(pod: Object, container: str) -> int | None:
    for each in pod["spec"].get("containers") or ():
        if each["name"] == container:
            return next((port["containerPort"] for port in each.get("ports") or ()), None)
    return None


def logs(app: str, pod: str, container: str = "", *, previous: bool = False) -> str:
    """container: of a pod that has several."""
    flag = (f" -c {container}" if container and not app else "") + (" --previous" if previous else "")
    return f"see `ph logs {app}{flag}`" if app else f"see `ph kubectl logs {pod}{flag}`"
