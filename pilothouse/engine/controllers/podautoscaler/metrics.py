"""Asks the metrics APIs: metrics.k8s.io for what pods use, custom.metrics.k8s.io and external.metrics.k8s.io for all else.

The last two are served by whoever an APIService names; where nobody does, the failure says so.
Source: Kubernetes 1.36, pkg/controller/podautoscaler/metrics/client.go; k8s.io/metrics pkg/client.
"""

import asyncio
from urllib.parse import quote

from pilothouse.client.client import Client, ObjectList
from pilothouse.engine.controllers.podautoscaler import samples
from pilothouse.engine.controllers.podautoscaler.samples import MetricError, Sample
from pilothouse.engine.controllers.podautoscaler.targets import NoTarget, Targets
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODMETRICS
from pilothouse.model.selector import SelectorError, from_label_selector

ASK_S = 10.0
"""For all answers of adapters that a round needs: one that hangs costs its autoscalers this much, however many metrics they have."""
CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"


class Metrics:
    """For one round of one autoscaler, which begins now: what pods use is asked once. selector: of its pods.

    Metrics may be asked for side by side.
    """

    def __init__(self, client: Client, targets: Targets, namespace: str, selector: str) -> None:
        self._client = client
        self._targets = targets
        self.namespace = namespace
        self._selector = selector
        self._pods: ObjectList | None = None
        self._paths: dict[str, str] = {}
        self._unserved: set[str] = set()
        self._lock = asyncio.Lock()
        self._ends_at = asyncio.get_running_loop().time() + ASK_S

    async def resource(self, resource: str, container: str = "") -> dict[str, Sample]:
        """By pod. Raises MetricError."""
        async with self._lock:
            if self._pods is None:
                try:
                    self._pods = await self._client.list(PODMETRICS, self.namespace, label_selector=self._selector)
                except ApiError as error:
                    raise MetricError(f"unable to fetch metrics from resource metrics API: {error.message}") from error
        if not self._pods.items:
            raise MetricError("no metrics returned from resource metrics API")
        return samples.of_pods(self._pods.items, resource, container)

    async def of_pods(self, metric: Object) -> dict[str, Sample]:
        """A custom metric of each pod. Raises MetricError."""
        path = f"namespaces/{_segment(self.namespace)}/pods/*/{_segment(metric['name'])}"
        items = await self._items(CUSTOM, path, metric, labelSelector=self._selector)
        return samples.of_custom(items)

    async def of_object(self, metric: Object, described: Object) -> int:
        """A custom metric of one object, in thousandths. Raises MetricError."""
        try:
            resource = await self._targets.resource(described)
        except (NoTarget, ApiError) as error:
            raise MetricError(f"unable to fetch metrics from custom metrics API: {error}") from error
        name = _segment(described.get("name") or "")
        if described.get("kind") == "Namespace" and not resource.group:
            path = f"namespaces/{name}/metrics/{_segment(metric['name'])}"
        else:
            place = f"namespaces/{_segment(self.namespace)}/" if resource.namespaced else ""
            path = f"{place}{resource.group_resource}/{name}/{_segment(metric['name'])}"
        items = await self._items(CUSTOM, path, metric)
        return samples.milli(items[0].get("value"))

    async def external(self, metric: Object) -> int:
        """The sum of its values, in thousandths. Raises MetricError."""
        path = f"namespaces/{_segment(self.namespace)}/{_segment(metric['name'])}"
        return sum(samples.milli(item.get("value")) for item in await self._items(EXTERNAL, path, metric))

    async def _items(self, group: str, path: str, metric: Object, **query: str) -> list[Object]:
        """At least one value. Raises MetricError."""
        kind = group.partition(".")[0]
        labels = _labels(metric)
        if labels:
            query["labelSelector" if group == EXTERNAL else "metricLabelSelector"] = labels
        try:
            async with asyncio.timeout_at(self._ends_at):
                # Once the time is over nothing more is sent.
                await asyncio.sleep(0)
                answer = await self._client.call("GET", f"{await self._root(group)}/{path}", query=tuple(query.items()))
        except TimeoutError as error:
            raise MetricError(f"unable to fetch metrics from {kind} metrics API: context deadline exceeded") from error
        except ApiError as error:
            raise MetricError(f"unable to fetch metrics from {kind} metrics API: {error.message}") from error
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not items:
            raise MetricError(f"no metrics returned from {kind} metrics API")
        if not all(isinstance(item, dict) for item in items):
            raise MetricError(f"unable to fetch metrics from {kind} metrics API: the answer has items that are no objects")
        return items

    async def _root(self, group: str) -> str:
        """The path of the group's preferred version. Raises MetricError, ApiError."""
        if group not in self._paths and group not in self._unserved:
            try:
                found = await self._client.call("GET", f"/apis/{group}")
            except ApiError as error:
                if error.code != 404:
                    raise
                self._unserved.add(group)
        if group in self._unserved:
            kind = group.partition(".")[0]
            raise MetricError(f"unable to fetch metrics from {kind} metrics API: no {kind} metrics API ({group}) registered")
        if group not in self._paths:
            self._paths[group] = f"/apis/{group}/{found['preferredVersion']['version']}"
        return self._paths[group]


def _labels(metric: Object) -> str:
    """Raises MetricError."""
    selector = metric.get("selector")
    try:
        return "" if selector is None else str(from_label_selector(selector))
    except SelectorError as error:
        raise MetricError(str(error)) from error


def _segment(name: str) -> str:
    return quote(name, safe="")
