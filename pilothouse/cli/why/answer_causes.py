"""Why a replica that runs does not take part yet: it has answered no request well (pure)."""

from pilothouse.cli.why.finding import LATE, SOON, Finding, State
from pilothouse.cli.why.inside import Inside
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.answers import ANSWER_S
from pilothouse.platform.apps.workloads import ANSWERS, is_gated


def is_shut(pod: Object) -> bool:
    """Whether its containers are ready, and only its readiness gate is not."""
    return is_gated(pod) and meta.is_true(pod, "ContainersReady") and not meta.is_true(pod, ANSWERS)


def of_answer(pod: Object, inside: Inside, app: str, now: float) -> Finding | None:
    if not is_shut(pod):
        return None
    condition = meta.condition(pod, ANSWERS) or {}
    step = f"see `ph logs {app}`"
    if failure := inside.repeated_failure:
        return Finding(("its server runs, but its workers end again and again: " + failure,), step, State.CRASHING, SOON)
    message = condition.get("message", "")
    if condition.get("reason") == "ServerError":
        option = ", or name a path that answers well with `ph deploy --health PATH`"
        return Finding((f"{message}, which is a server error",), step + option, State.UNHEALTHY, LATE)
    if message:
        option = "; what does not speak HTTP is deployed with `ph deploy --internal`"
        return Finding((message,), step + option, State.NOT_READY, LATE)
    waited = _waited_s(pod, now)
    cause = f"its port accepts connections, but GET / has not been answered for {waited:.0f} s"
    return Finding((cause,), step, State.NOT_READY, ANSWER_S) if waited >= SOON else None


def _waited_s(pod: Object, now: float) -> float:
    since = (meta.condition(pod, "ContainersReady") or {}).get("lastTransitionTime")
    return now - meta.parse_rfc3339(since) if since else 0.0
