"""Why a HorizontalPodAutoscaler does not scale, and what keeps its replicas where they are (pure).

Reasons are those of upstream's horizontal pod autoscaler controller.
"""

from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene, count
from pilothouse.cli.why.sentence import Why, told
from pilothouse.model import meta
from pilothouse.model.json import Object

_ADAPTER = "`ph kubectl get --raw /apis/{group}.metrics.k8s.io`: an adapter in the cluster has to serve this metric"
_STEPS = {
    "FailedGetScale": "create {target}, or correct spec.scaleTargetRef",
    "ScalingDisabled": "start one replica with `ph kubectl scale {target} --replicas=1`",
    "AmbiguousSelector": "keep one HorizontalPodAutoscaler for these pods",
    "InvalidSelector": "correct the selector of {target}",
    "FailedUpdateScale": "see what refuses the change of {target}",
    "FailedGetResourceMetric": "see `ph kubectl top pods`; each container needs resources.requests of what is measured",
    "FailedGetContainerResourceMetric": "see `ph kubectl top pods --containers`; the container needs resources.requests of it",
    "FailedGetPodsMetric": f"see {_ADAPTER.format(group='custom')}",
    "FailedGetObjectMetric": f"see {_ADAPTER.format(group='custom')}",
    "FailedGetExternalMetric": f"see {_ADAPTER.format(group='external')}",
}
_BOUNDS = {"TooManyReplicas": "its metrics ask for more than maxReplicas", "TooFewReplicas": "its metrics ask for fewer than minReplicas"}


def explain(scene: Scene) -> Why:
    autoscaler = scene.workload or {}
    for kind in ("AbleToScale", "ScalingActive"):
        condition = meta.condition(autoscaler, kind)
        if condition is not None and condition.get("status") == "False":
            return told(f"{scene.subject} does not scale {_target(autoscaler)}", _finding(autoscaler, condition))
    if meta.condition(autoscaler, "ScalingActive") is None:
        return Why(f"{scene.subject} has not looked at {_target(autoscaler)} yet", state=State.ROLLING_OUT)
    kept = f"keeps {_target(autoscaler)} at {_replicas(autoscaler)}"
    return Why(f"{scene.subject} {kept}{_metrics(autoscaler)}{_why_not_more(autoscaler)}", state=State.RUNNING)


def _target(autoscaler: Object) -> str:
    reference = autoscaler["spec"]["scaleTargetRef"]
    return f"{reference['kind'].lower()}/{reference['name']}"


def _finding(autoscaler: Object, condition: Object) -> Finding:
    reason = condition.get("reason", "")
    step = _STEPS.get(reason, "`ph kubectl describe hpa {name}` says more").format(target=_target(autoscaler), name=meta.name(autoscaler))
    if reason == "ScalingDisabled":
        return Finding((f"{_target(autoscaler)} is scaled to 0 replicas",), step, State.SCALED_TO_ZERO)
    return Finding((str(condition.get("message") or reason).rstrip(". "),), step)


def _replicas(autoscaler: Object) -> str:
    spec = autoscaler["spec"]
    number = count(autoscaler, "currentReplicas")
    return f"{number} replica{'' if number == 1 else 's'} ({spec.get('minReplicas', 1)} to {spec['maxReplicas']})"


def _metrics(autoscaler: Object) -> str:
    """What is measured beside what is wanted, of metrics that are a share or an amount of a resource."""
    current = {_label(each): each for each in (autoscaler.get("status") or {}).get("currentMetrics") or () if _label(each)}
    told = []
    for metric in autoscaler["spec"].get("metrics") or ():
        label = _label(metric)
        if label in current:
            told.append(f"{label} {_amount(_values(current[label], 'current'))} of {_amount(_values(metric, 'target'))}")
    return f": {', '.join(told)}" if told else ""


def _source(metric: Object) -> Object:
    kind = metric["type"]
    found: Object = metric.get(kind[:1].lower() + kind[1:]) or {}
    return found


def _label(metric: Object) -> str:
    source = _source(metric)
    label: str = source.get("name") or (source.get("metric") or {}).get("name") or ""
    return label


def _values(metric: Object, which: str) -> Object:
    found: Object = _source(metric).get(which) or {}
    return found


def _amount(values: Object) -> str:
    share = values.get("averageUtilization")
    return f"{share}%" if share is not None else str(values.get("averageValue") or values.get("value") or "an unknown amount")


def _why_not_more(autoscaler: Object) -> str:
    limited = meta.condition(autoscaler, "ScalingLimited") or {}
    said = _BOUNDS.get(limited.get("reason", "")) if limited.get("status") == "True" else None
    if said is None:
        return ""
    return f"; {said}" + ("; raise it if there is room" if limited["reason"] == "TooManyReplicas" else "")
