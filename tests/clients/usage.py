"""What the played node's pods use: every container a quarter of a processor and 64 MiB, the node two processors and 4 GiB."""

import time
from collections.abc import Mapping

from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resource_metrics.points import ContainerKey, Point
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage, Pair
from pilothouse.engine.store import Store
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.clients.node import NAME

WINDOW_S = 15.0


class PlayedUsage:
    def __init__(self, store: Store) -> None:
        self._objects = Objects(store)

    def lacks(self, node: str) -> None:
        """There is nothing more to come."""

    async def usage(self) -> Mapping[str, NodeUsage]:
        pods = [pod for pod in self._objects.all(PODS) if (pod.get("status") or {}).get("phase") == "Running"]
        containers = {
            ContainerKey(meta.namespace(pod) or "", meta.name(pod), container["name"]): _pair(0.25, 64 << 20)
            for pod in pods
            for container in pod["spec"]["containers"]
        }
        return {NAME: NodeUsage(_pair(2.0, 4 << 30), containers)}


def _pair(processors: float, memory_bytes: int) -> Pair:
    now = time.time()
    return Pair(Point(now, processors * WINDOW_S, memory_bytes), Point(now - WINDOW_S, 0.0, memory_bytes))
