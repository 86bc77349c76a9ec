"""What each metric of an autoscaler asks for: its value is fetched, and compared with its target.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/horizontal.go (computeStatusFor...).
"""

from collections.abc import Awaitable, Callable

from pilothouse.engine.controllers.podautoscaler import replicas
from pilothouse.engine.controllers.podautoscaler.metrics import Metrics
from pilothouse.engine.controllers.podautoscaler.plan import Failure, Proposal
from pilothouse.engine.controllers.podautoscaler.replicas import Situation
from pilothouse.engine.controllers.podautoscaler.samples import MetricError, Sample, milli
from pilothouse.model.json import Object
from pilothouse.model.quantity import milli as of_milli


class Evaluation:
    """running: the replicas that the target says it has."""

    def __init__(self, metrics: Metrics, around: Situation, running: int) -> None:
        self._metrics = metrics
        self._around = around
        self._running = running

    async def evaluate(self, spec: Object) -> Proposal | Failure:
        kind = spec.get("type") or ""
        found = _SOURCES.get(kind)
        if found is None:
            return Failure("InvalidMetricSourceType", f'unknown metric source type "{kind}"')
        field, reason, context, evaluate = found
        source = spec.get(field) or {}
        try:
            return await evaluate(self, source)
        except MetricError as error:
            return Failure(reason, str(error), context.format(name=_name(source)))

    async def _resource(self, source: Object) -> Proposal:
        return await self._usage(source, "resource", "")

    async def _container_resource(self, source: Object) -> Proposal:
        return await self._usage(source, "container resource", source["container"])

    async def _usage(self, source: Object, shown: str, container: str) -> Proposal:
        """What pods use of a resource. Raises MetricError."""
        name, target = source["name"], source.get("target") or {}
        named = {"name": name} | ({"container": container} if container else {})
        field, kind = ("containerResource", "ContainerResource") if container else ("resource", "Resource")
        average = target.get("averageValue")
        what = "utilization" if average is None else "usage"
        try:
            found = await self._samples(name, container)
            if average is not None:
                count, value = replicas.by_average(found, name, milli(average), self._around)
                current: Object = {"averageValue": str(of_milli(value))}
                return Proposal(count, f"{name} {shown}", {"type": kind, field: named | {"current": current}})
            utilization = target.get("averageUtilization")
            if utilization is None:
                raise MetricError("invalid resource metric source: neither an average utilization nor an average value target was set")
            count, percent, value = replicas.by_utilization(found, name, utilization, self._around, container)
        except MetricError as error:
            raise MetricError(f"failed to get {name} {what}: {error}") from error
        current = {"averageUtilization": percent, "averageValue": str(of_milli(value))}
        label = f"{name} {shown} utilization (percentage of request)"
        return Proposal(count, label, {"type": kind, field: named | {"current": current}})

    async def _samples(self, name: str, container: str) -> dict[str, Sample]:
        try:
            return await self._metrics.resource(name, container)
        except MetricError as error:
            raise MetricError(f"unable to get metrics for resource {name}: {error}") from error

    async def _pods(self, source: Object) -> Proposal:
        metric = source["metric"]
        try:
            found = await self._metrics.of_pods(metric)
        except MetricError as error:
            raise MetricError(f"unable to get metric {metric['name']}: {error}") from error
        count, value = replicas.by_average(found, "", milli(source["target"]["averageValue"]), self._around)
        status = {"metric": metric, "current": {"averageValue": str(of_milli(value))}}
        return Proposal(count, f"pods metric {metric['name']}", {"type": "Pods", "pods": status})

    async def _object(self, source: Object) -> Proposal:
        metric, described = source["metric"], source["describedObject"]
        try:
            usage = await self._metrics.of_object(metric, described)
        except MetricError as error:
            raise MetricError(f"unable to get metric {metric['name']} on {described['kind']} {described['name']}: {error}") from error
        count, current = self._one_value(source.get("target") or {}, usage)
        status = {"metric": metric, "describedObject": described, "current": current}
        return Proposal(count, f"{described['kind']} metric {metric['name']}", {"type": "Object", "object": status})

    async def _external(self, source: Object) -> Proposal:
        metric = source["metric"]
        try:
            usage = await self._metrics.external(metric)
        except MetricError as error:
            place = f"{self._metrics.namespace}/{metric['name']}/{_go(metric.get('selector'))}"
            raise MetricError(f"unable to get external metric {place}: {error}") from error
        count, current = self._one_value(source.get("target") or {}, usage)
        status = {"metric": metric, "current": current}
        return Proposal(count, f"external metric {metric['name']}({_go(metric.get('selector'))})", {"type": "External", "external": status})

    def _one_value(self, target: Object, usage: int) -> tuple[int, Object]:
        """Of a metric that has one value for all pods. Raises MetricError."""
        average = target.get("averageValue")
        if average is not None:
            count, share = replicas.by_share(usage, milli(average), self._running, self._around.tolerances)
            return count, {"averageValue": str(of_milli(share))}
        if target.get("value") is None:
            raise MetricError("neither a value target nor an average value target was set")
        return replicas.by_value(usage, milli(target["value"]), self._around), {"value": str(of_milli(usage))}


def _go(selector: Object | None) -> str:
    """A label selector as Go writes it into a text."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{each['key']},Operator:{each['operator']},Values:[{' '.join(each.get('values') or ())}],}},"
        for each in selector.get("matchExpressions") or ()
    )
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"


def _name(source: Object) -> str:
    return source.get("name") or (source.get("metric") or {}).get("name") or ""


_SOURCES: dict[str, tuple[str, str, str, Callable[[Evaluation, Object], Awaitable[Proposal]]]] = {
    "Resource": ("resource", "FailedGetResourceMetric", "failed to get {name} resource metric value", Evaluation._resource),
    "ContainerResource": (
        "containerResource",
        "FailedGetContainerResourceMetric",
        "failed to get {name} container metric value",
        Evaluation._container_resource,
    ),
    "Pods": ("pods", "FailedGetPodsMetric", "failed to get pods metric value", Evaluation._pods),
    "Object": ("object", "FailedGetObjectMetric", "failed to get object metric value", Evaluation._object),
    "External": ("external", "FailedGetExternalMetric", "failed to get {name} external metric value", Evaluation._external),
}
"""By the type: the field of the source, the reason of its failure, the failure's context, what evaluates it."""
