"""Get and list what nodes and pods use. Source: metrics-server pkg/api/{node,pod}.go."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pilothouse.engine.apiserver.answer import ListResponse, ObjectResponse, Unstored
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resource_metrics.objects import by_node, node_metrics, pod_metrics
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage
from pilothouse.engine.apiserver.resources.keys import prefix_of
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs import listing
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS
from pilothouse.model.resource import Resource

_SLICE = 128
"""Of objects that are looked at before others have a turn."""


class _Measured(NamedTuple):
    """source: whose usage it is."""

    source: Resource
    shown: Callable[[Mapping[str, NodeUsage], Object], Object | None]


_KINDS: Mapping[str, _Measured] = {
    "NodeMetrics": _Measured(NODES, lambda known, node: node_metrics(node, known.get(node["metadata"]["name"]))),
    "PodMetrics": _Measured(PODS, lambda known, pod: pod_metrics(pod, by_node(known, pod))),
}


async def list_usage(backend: Backend, request: ApiRequest, served: ServedResource) -> ListResponse:
    """What is not known yet, or not any more, is not listed. Raises BadRequest for a selector that cannot be read."""
    wanted = await listing.filter_of_request(backend, request, served)
    kind = _KINDS[served.resource.kind]
    known = await backend.usage.usage()
    shown: list[Unstored] = []
    for at, record in enumerate(backend.store.scan(prefix_of(kind.source, request.namespace)), start=1):
        if wanted.finds(served, record):
            value = kind.shown(known, record.peek())
            if value is None:
                _say_lacking(backend, record.peek())
            else:
                shown.append(Unstored(value))
        if at % _SLICE == 0:
            await request.turn()
    return ListResponse(served, shown, 0)


async def get_usage(backend: Backend, request: ApiRequest, served: ServedResource) -> ObjectResponse:
    """Raises NotFound for what is not there, or not known yet."""
    check_name(request.name)
    kind = _KINDS[served.resource.kind]
    found = Objects(backend.store).get(kind.source, request.namespace, request.name)
    value = None if found is None else kind.shown(await backend.usage.usage(), found)
    if value is None:
        _say_lacking(backend, found or {})
        name = f"{request.namespace}/{request.name}" if request.namespace else request.name
        # In the words of metrics-server, which names the resource after the kind.
        raise NotFound.of(served.resource.kind.lower(), name, served.resource.group)
    return ObjectResponse(served, Unstored(value))


def _say_lacking(backend: Backend, obj: Object) -> None:
    """Of a pod that runs; a node without figures is looked at anyway."""
    node, phase = (obj.get("spec") or {}).get("nodeName"), (obj.get("status") or {}).get("phase")
    if node and phase == "Running":
        backend.usage.lacks(node)
