"""How many pods a metric asks for. Pure.

The ratio of what is used to what should be, times the pods that are ready. Pods without a metric, and pods that are not ready yet, are
taken to use what speaks against a change: nothing when there would be more pods, all that they may when there would be fewer.
Source: Kubernetes 1.36, pkg/controller/podautoscaler/replica_calculator.go, metrics/utilization.go.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.controllers.podautoscaler.facts import Tolerances
from pilothouse.engine.controllers.podautoscaler.samples import MetricError, Sample, milli
from pilothouse.model import meta
from pilothouse.model.json import Object

CPU_INITIALIZATION_S = 300.0
"""How long after its start a pod's CPU only counts while the pod is ready."""
READINESS_DELAY_S = 30.0
"""A pod that stopped being ready later than this after its start has been ready before."""
_NO_PODS = "no pods returned by selector while calculating replica count"
_NO_METRICS = "did not receive metrics for any ready pods"


@dataclass(frozen=True, slots=True)
class Situation:
    """current: the replicas that the target asks for. pods: those of its selector, each by its object. now: seconds since the epoch."""

    current: int
    pods: Sequence[Object]
    now: float
    tolerances: Tolerances = field(default_factory=Tolerances)


@dataclass(frozen=True, slots=True)
class _Groups:
    """ready: how many pods have a metric that counts. Pods that are ending, or have failed, are in none of them."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def by_utilization(
    samples: Mapping[str, Sample], resource: str, target: int, around: Situation, container: str = ""
) -> tuple[int, int, int]:
    """target: percent of what pods request. Returns replicas, the utilization in percent, the average in thousandths.

    Raises MetricError.
    """
    groups = _grouped(samples, resource, around)
    requests = _requests(around.pods, resource, container)
    values = _counted(samples, groups)
    ratio, utilization, average = _utilization(values, requests, target)
    fallback = {name: requests[name] * max(100, target) // 100 for name in groups.missing}
    replicas = _replicas(ratio, values, groups, around, fallback, lambda found: _utilization(found, requests, target)[0])
    return replicas, utilization, average


def by_average(samples: Mapping[str, Sample], resource: str, target: int, around: Situation) -> tuple[int, int]:
    """target: thousandths of the metric for each pod. Returns replicas and the average in thousandths. Raises MetricError.

    resource: "" for a metric that is no resource.
    """
    groups = _grouped(samples, resource, around)
    values = _counted(samples, groups)
    ratio, average = _ratio(values, target)
    fallback = dict.fromkeys(groups.missing, target)
    return _replicas(ratio, values, groups, around, fallback, lambda found: _ratio(found, target)[0]), average


def by_value(usage: int, target: int, around: Situation) -> int:
    """Of one value for all pods together. usage, target: thousandths. Raises MetricError."""
    ratio = usage / target
    if around.current == 0:
        return math.ceil(ratio)
    if around.tolerances.hold(ratio):
        return around.current
    if not around.pods:
        raise MetricError(f"unable to calculate ready pods: {_NO_PODS}")
    ready = [pod for pod in around.pods if (pod.get("status") or {}).get("phase") == "Running" and meta.is_true(pod, "Ready")]
    return math.ceil(ratio * len(ready))


def by_share(usage: int, target: int, running: int, tolerances: Tolerances) -> tuple[int, int]:
    """Of one value that is shared among the pods. running: the replicas there are. Returns replicas and the share of each of them."""
    if running == 0:
        return math.ceil(usage / target), usage
    share = math.ceil(usage / running)
    if tolerances.hold(usage / (target * running)):
        return running, share
    return math.ceil(usage / target), share


def _replicas(
    ratio: float,
    values: dict[str, int],
    groups: _Groups,
    around: Situation,
    fallback: Mapping[str, int],
    again: Callable[[Mapping[str, int]], float],
) -> int:
    """fallback: what pods without a metric are taken to use when there would be fewer pods. again: the ratio of other values."""
    is_rebalanced = bool(groups.unready) and ratio > 1.0
    if not is_rebalanced and not groups.missing:
        return around.current if around.tolerances.hold(ratio) else math.ceil(ratio * groups.ready)
    if ratio < 1.0:
        values = values | {name: fallback[name] for name in groups.missing}
    elif ratio > 1.0:
        values = values | dict.fromkeys(groups.missing, 0)
    if is_rebalanced:
        values = values | dict.fromkeys(groups.unready, 0)
    other = again(values)
    turns = (ratio < 1.0 < other) or (ratio > 1.0 > other)
    if turns or around.tolerances.hold(other):
        return around.current
    found = math.ceil(other * len(values))
    turns = (other < 1.0 and found > around.current) or (other > 1.0 and found < around.current)
    return around.current if turns else found


def _grouped(samples: Mapping[str, Sample], resource: str, around: Situation) -> _Groups:
    """Raises MetricError when there is no pod at all."""
    if not around.pods:
        raise MetricError(_NO_PODS)
    ready, unready, missing, ignored = 0, set[str](), set[str](), set[str]()
    for pod in around.pods:
        name, phase = meta.name(pod), (pod.get("status") or {}).get("phase") or ""
        if meta.is_deleting(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == "cpu" and _is_early(pod, samples[name], around.now):
            unready.add(name)
        else:
            ready += 1
    return _Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_early(pod: Object, sample: Sample, now: float) -> bool:
    """Whether the pod's CPU says more about its start than about its work."""
    condition, started = meta.condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if condition is None or not started:
        return True
    since, started_at = condition.get("lastTransitionTime"), meta.parse_rfc3339(started)
    changed_at = meta.parse_rfc3339(since) if since else 0.0
    is_unready = condition.get("status") == "False"
    if started_at + CPU_INITIALIZATION_S > now:
        return is_unready or sample.at < changed_at + sample.window_s
    return is_unready and started_at + READINESS_DELAY_S > changed_at


def _counted(samples: Mapping[str, Sample], groups: _Groups) -> dict[str, int]:
    """Raises MetricError when nothing is left."""
    left = {name: sample.milli for name, sample in samples.items() if name not in groups.ignored and name not in groups.unready}
    if not left:
        raise MetricError(_NO_METRICS)
    return left


def _requests(pods: Sequence[Object], resource: str, container: str) -> dict[str, int]:
    """In thousandths, by pod. Raises MetricError."""
    return {meta.name(pod): _request(pod, resource, container) for pod in pods}


def _request(pod: Object, resource: str, container: str) -> int:
    spec = pod.get("spec") or {}
    whole = ((spec.get("resources") or {}).get("requests") or {}).get(resource)
    if whole is not None and not container:
        return milli(whole)
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    total = 0
    for each in (*(spec.get("containers") or ()), *sidecars):
        if container and each.get("name") != container:
            continue
        stated = ((each.get("resources") or {}).get("requests") or {}).get(resource)
        if stated is None:
            raise MetricError(f"missing request for {resource} in container {each.get('name')} of Pod {meta.name(pod)}")
        total += milli(stated)
    return total


def _utilization(values: Mapping[str, int], requests: Mapping[str, int], target: int) -> tuple[float, int, int]:
    """The ratio to the target, the utilization in percent, the average. Metrics of pods that are not the target's do not count."""
    known = [name for name in values if name in requests]
    used, requested = sum(values[name] for name in known), sum(requests[name] for name in known)
    if requested == 0:
        raise MetricError("no metrics returned matched known pods")
    utilization = used * 100 // requested
    return utilization / target, utilization, used // len(known)


def _ratio(values: Mapping[str, int], target: int) -> tuple[float, int]:
    average = sum(values.values()) // len(values)
    return average / target, average
