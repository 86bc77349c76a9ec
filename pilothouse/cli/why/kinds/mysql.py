"""Why a MySQL instance does not answer, is not whole, or does not change or go as it was asked to (pure).

The operator's conditions say it, the worst first; where a pod does not run, what keeps it from that comes before.
"""

from collections.abc import Iterator

from pilothouse.cli.mysql import standing
from pilothouse.cli.why.finding import AT_ONCE, LATE, Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.sentence import Why, told
from pilothouse.cli.why.worst import worst_of
from pilothouse.model import meta
from pilothouse.model.json import Object

_PATIENCE_S = 30.0


def explain(scene: Scene) -> Why:
    instance = scene.workload or {}
    if found := next(_findings(scene, instance), None):
        return told(f"{scene.subject} {_stands(instance)}", found)
    if instance["spec"].get("suspended"):
        resume = f"`ph mysql resume {scene.name}` starts it"
        return Why(f"{scene.subject} is suspended: nothing of it runs and its volumes stay; {resume}", state=State.PAUSED)
    if waits := standing.lacking(instance):
        return Why(f"{scene.subject} {_stands(instance)}: {waits}", state=State.ROLLING_OUT)
    said = standing.status(instance)
    members = f"{said.get('readyReplicas', 0)} member{'' if said.get('readyReplicas') == 1 else 's'}"
    where = f"at {said.get('host')}:{said.get('port') or 3306}"
    return Why(f"{scene.subject} answers {where} with {members}, of which {said.get('primary')} is the primary", state=State.SERVING)


def _stands(instance: Object) -> str:
    if meta.is_deleting(instance):
        return "is not deleted"
    if not meta.is_true(instance, "Ready"):
        return "does not answer"
    said = standing.status(instance)
    return f"answers with {said.get('readyReplicas', 0)} of {instance['spec'].get('replicas', 1)} members"


def _findings(scene: Scene, instance: Object) -> Iterator[Finding]:
    """The one that decides comes first."""
    if meta.is_deleting(instance):
        yield from _deletion(instance)
        return
    if not standing.status(instance).get("observedGeneration"):
        if scene.age_of(instance) >= _PATIENCE_S:
            yield Finding(("no platform works on this cluster's databases",), "start it with `ph up`, or with `ph run platform`")
        return
    if why := standing.refused(instance):
        yield _split(why, AT_ONCE)
    if instance["spec"].get("suspended"):
        return
    why = standing.trouble(instance)
    if worst := worst_of(scene, scene.pods):
        yield Finding((*worst[1].chain, *((why,) if why else ())), worst[1].next_step, worst[1].state, worst[1].certain_after_s)
    if why:
        yield _split(why, LATE)


def _deletion(instance: Object) -> Iterator[Finding]:
    deleting = meta.condition(instance, "Deleting") or {}
    if deleting.get("status") == "False":
        yield _split(str(deleting.get("message") or deleting.get("reason")).rstrip(". "), AT_ONCE)


def _split(message: str, certain_after_s: float) -> Finding:
    """The operator's sentences say the cause, then what to do about it: after a colon or a semicolon."""
    for mark in ("; ", ": "):
        cause, found, step = message.rpartition(mark)
        if found:
            return Finding((cause,), step, State.NOT_READY, certain_after_s)
    return Finding((message,), "`ph mysql show` has all that is known", State.NOT_READY, certain_after_s)
