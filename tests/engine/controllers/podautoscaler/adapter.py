"""An adapter for custom and external metrics: another API server, with figures that a test sets or pods report."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from pilothouse.model.json import Object, dumps
from pilothouse.model.selector import parse_labels
from pilothouse.wire.messages import Request, Response

CUSTOM, EXTERNAL = "custom.metrics.k8s.io", "external.metrics.k8s.io"
_NOW = "2026-01-01T00:00:00Z"


@dataclass
class Adapter:
    """pods: labels of pods by name. of_pods: by metric and pod; of_objects: by metric and `resource/name`; external: by metric, label sets
    and their values. asked: paths and queries, in order. hangs: until which it answers no question for a metric.

    Values are quantities as text. Answers for namespace `default` alone, and only to the front proxy.
    """

    custom_version: str = "v1beta2"
    pods: dict[str, dict[str, str]] = field(default_factory=dict)
    of_pods: dict[str, dict[str, str]] = field(default_factory=dict)
    of_objects: dict[str, dict[str, str]] = field(default_factory=dict)
    external: dict[str, list[tuple[dict[str, str], str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hangs: asyncio.Event | None = None

    async def handle(self, request: Request) -> Response:
        certificate = request.peer.certificate
        if certificate is None or certificate.common_name != "front-proxy-client":
            return _answer(401, _status(401, "Unauthorized"))
        parts = request.path.strip("/").split("/")
        if self.hangs is not None and "namespaces" in parts:
            await self.hangs.wait()
        query = parse_qs(request.query)
        match parts:
            case ["apis", group, version]:
                return _answer(200, {"kind": "APIResourceList", "groupVersion": f"{group}/{version}", "resources": []})
            case ["apis", group, version, "namespaces", "default", *rest] if group == CUSTOM and version == self.custom_version:
                self.asked.append(f"{request.path}?{request.query}")
                return self._custom(version, rest, query)
            case ["apis", group, "v1beta1", "namespaces", "default", name] if group == EXTERNAL:
                self.asked.append(f"{request.path}?{request.query}")
                return self._external(name, query)
        return _answer(404, _status(404, "the server could not find the requested resource"))

    def _custom(self, version: str, rest: list[str], query: dict[str, list[str]]) -> Response:
        resource, name, metric = rest if len(rest) == 3 else ("", "", "")
        if resource == "pods" and name == "*":
            selector = parse_labels(query.get("labelSelector", [""])[0])
            values = {pod: value for pod, value in self.of_pods.get(metric, {}).items() if selector.matches(self.pods.get(pod, {}))}
        else:
            values = {each: value for each, value in self.of_objects.get(metric, {}).items() if each == f"{resource}/{name}"}
        if not values:
            return _answer(404, _status(404, f"the server could not find the metric {metric} for {resource} {name}"))
        items = [_of(version, metric, resource, each, value) for each, value in values.items()]
        return _answer(200, {"kind": "MetricValueList", "apiVersion": f"{CUSTOM}/{version}", "metadata": {}, "items": items})

    def _external(self, name: str, query: dict[str, list[str]]) -> Response:
        selector = parse_labels(query.get("labelSelector", [""])[0])
        items = [
            {"metricName": name, "metricLabels": labels, "timestamp": _NOW, "value": value}
            for labels, value in self.external.get(name, [])
            if selector.matches(labels)
        ]
        return _answer(200, {"kind": "ExternalMetricValueList", "apiVersion": f"{EXTERNAL}/v1beta1", "metadata": {}, "items": items})


def _of(version: str, metric: str, resource: str, name: str, value: str) -> Object:
    described = {"kind": resource.title(), "namespace": "default", "name": name, "apiVersion": "v1"}
    named: Object = {"metricName": metric, "window": 60} if version == "v1beta1" else {"metric": {"name": metric}, "windowSeconds": 60}
    return {"describedObject": described, "timestamp": _NOW, "value": value, **named}


def _status(code: int, message: str) -> Object:
    reason = {401: "Unauthorized", 404: "NotFound"}[code]
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}


def _answer(status: int, value: Object) -> Response:
    return Response(status, (("content-type", "application/json"),), dumps(value))
