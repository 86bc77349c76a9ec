"""The node as others may see it: its pods, what they use, and whether it takes care of them."""

from collections.abc import Callable, Mapping

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Runtime, RuntimeFailure
from pilothouse.engine.node.stats.exposition.text import Family
from pilothouse.engine.node.stats.gather import Statistics
from pilothouse.engine.node.stats.rooms import OfDrivers, no_drivers
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.streams.connector import Connector
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model.json import Object

PROBES = {"prober_probe_total": ("counter", "Cumulative number of probes of a container, by kind and result")}


def own_families() -> tuple[Family, Family, Family]:
    """Running pods, containers by their state, and the node's name."""
    return (
        Family("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox"),
        Family("kubelet_running_containers", "gauge", "Number of containers, by their state"),
        Family("kubelet_node_name", "gauge", "The node's name. The count is always 1."),
    )


class NodeView:
    """workers: of the pods that the node has something of, by uid; the agent's own, read only.

    find: one of them by any uid that its pod is known by. of_drivers: the room in a pod's volumes of drivers.
    """

    def __init__(
        self,
        runtime: Runtime,
        config: NodeConfig,
        workers: Mapping[str, PodWorker],
        connector: Connector,
        find: Callable[[str], PodWorker | None],
        of_drivers: OfDrivers = no_drivers,
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._workers = workers
        self._find = find
        self.connector = connector
        self.statistics = Statistics(runtime, config, self.sources, of_drivers=of_drivers)

    def pod(self, uid: str) -> Object | None:
        worker = self._find(uid)
        return worker.pod if worker is not None else None

    def pods(self) -> list[Object]:
        return [worker.pod for worker in self._workers.values()]

    def sources(self) -> list[PodSource]:
        """Of pods that have something running or to run; those that have ended use nothing any more."""
        return [_source(worker) for worker in self._workers.values() if not worker.state.finished]

    async def trouble(self) -> str:
        """Why pods cannot be taken care of; "" while they can."""
        try:
            found = await self._runtime.readiness()
        except RuntimeFailure as error:
            return f"the container runtime does not answer: {error}"
        return "" if found.runtime and found.network else f"the container runtime is not ready: {found.message}"

    def metrics(self) -> list[str]:
        families = pods, containers, name = own_families()
        latest = [each.latest for worker in self._workers.values() for each in worker.state.containers.values()]
        pods.add({}, sum(worker.state.has_sandbox for worker in self._workers.values()))
        for state in (RUNNING, EXITED):
            containers.add({"container_state": state}, sum(each is not None and each.state == state for each in latest))
        name.add({"node": self._config.node_name}, 1)
        return [line for family in families for line in family.lines()]

    def probe_metrics(self) -> list[str]:
        """How often probes of present containers have ended how, since their pods came to this agent."""
        family = Family("prober_probe_total", *PROBES["prober_probe_total"])
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            about = {"namespace": metadata["namespace"], "pod": metadata["name"], "pod_uid": metadata["uid"]}
            for tracked in worker.state.containers.values():
                for (kind, result), count in sorted(tracked.probed.items()):
                    family.add({"container": tracked.name, **about, "probe_type": kind, "result": result}, count)
        return family.lines()


def _source(worker: PodWorker) -> PodSource:
    state = worker.state
    latest = (state.of(each).latest for each in podspec.all_containers(worker.pod))
    containers = tuple(each for each in latest if each is not None and each.state == RUNNING)
    sandbox = state.sandbox.id if state.sandbox is not None and state.sandbox.ready else ""
    return PodSource(worker.pod, sandbox, state.started_at, containers)
