"""What the node answers to GET: lists of pods, statistics, metrics, its configuration."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from pilothouse.aio import meters
from pilothouse.engine.node.kubelet import host as hosts
from pilothouse.engine.node.kubelet.host import Host
from pilothouse.engine.node.stats.exposition import cadvisor, resource, volumes
from pilothouse.engine.node.stats.exposition.text import CONTENT_TYPE
from pilothouse.engine.node.stats.figures import Figures
from pilothouse.engine.node.stats.summary import summary
from pilothouse.model.json import Object, dumps
from pilothouse.wire.messages import Request, Response

JSON = (("content-type", "application/json"),)
TEXT = (("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff"))
METRICS = (("content-type", CONTENT_TYPE),)


@dataclass(frozen=True, slots=True)
class Asked:
    host: Host
    request: Request
    configuration: Object


Page = Callable[[Asked], Awaitable[Response]]


def page_of(words: Sequence[str]) -> Page | None:
    """words: of the decoded path; a slash at its end means nothing."""
    trimmed = tuple(words[:-1] if words and words[-1] == "" else words)
    return PAGES.get(trimmed)


async def _healthz(asked: Asked) -> Response:
    trouble = await asked.host.trouble()
    return Response(500, TEXT, f"[-]syncloop failed: {trouble}\n".encode()) if trouble else Response(200, TEXT, b"ok")


async def _pods(asked: Asked) -> Response:
    return await _pod_list(asked.host.pods())


async def _running_pods(asked: Asked) -> Response:
    return await _pod_list(hosts.running(asked.host.pods()))


async def _pod_list(pods: Sequence[Object]) -> Response:
    document = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(pods)}
    return Response(200, JSON, await asyncio.to_thread(dumps, document))


async def _summary(asked: Asked) -> Response:
    lean = parse_qs(asked.request.query).get("only_cpu_and_memory", ["false"])[0] in ("true", "1")
    figures = await asked.host.statistics.figures()
    document = await asyncio.to_thread(lambda: dumps(summary(figures, only_cpu_and_memory=lean)))
    return Response(200, JSON, document)


async def _own_metrics(asked: Asked) -> Response:
    rooms = asked.host.statistics.rooms
    await rooms.refresh()
    lines = [*asked.host.metrics(), *volumes.lines(rooms.all()), *meters.exposition()]
    return Response(200, METRICS, ("\n".join(lines) + "\n").encode())


async def _probe_metrics(asked: Asked) -> Response:
    return Response(200, METRICS, "".join(line + "\n" for line in asked.host.probe_metrics()).encode())


def _figures_as(show: Callable[[Figures], str]) -> Page:
    async def page(asked: Asked) -> Response:
        figures = await asked.host.statistics.figures()
        return Response(200, METRICS, await asyncio.to_thread(lambda: show(figures).encode()))

    return page


async def _configz(asked: Asked) -> Response:
    return Response(200, JSON, dumps({"kubeletconfig": asked.configuration}))


PAGES: Mapping[tuple[str, ...], Page] = {
    ("healthz",): _healthz,
    ("healthz", "ping"): _healthz,
    ("healthz", "log"): _healthz,
    ("healthz", "syncloop"): _healthz,
    ("pods",): _pods,
    ("runningpods",): _running_pods,
    ("stats", "summary"): _summary,
    ("metrics",): _own_metrics,
    ("metrics", "resource"): _figures_as(resource.exposition),
    ("metrics", "cadvisor"): _figures_as(cadvisor.exposition),
    ("metrics", "probes"): _probe_metrics,
    ("configz",): _configz,
}
