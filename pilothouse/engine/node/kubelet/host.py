"""What the kubelet API needs of the node: the agent, as long as one runs."""

from collections.abc import Sequence
from typing import Protocol

from pilothouse.engine.node.stats.gather import Statistics
from pilothouse.engine.node.streams.connector import Connector
from pilothouse.model.json import Object


class Host(Protocol):
    """The node agent of the moment."""

    @property
    def connector(self) -> Connector: ...

    @property
    def statistics(self) -> Statistics: ...

    def pod(self, uid: str) -> Object | None:
        """The object of a pod that the node still has something of."""
        ...

    def pods(self) -> list[Object]:
        """The objects of all of these."""
        ...

    def metrics(self) -> list[str]:
        """Lines of the node's own metrics, in Prometheus' text format."""
        ...

    def probe_metrics(self) -> list[str]: ...

    async def trouble(self) -> str:
        """Why pods are not taken care of, "" while they are."""
        ...


def named(host: Host, namespace: str, name: str, uid: str = "") -> Object | None:
    """A pod by its name; of several with that name (one ends while the next comes) the newest, or the one with that uid."""
    if uid:
        found = host.pod(uid)
        return found if found is not None and _is(found, namespace, name) else None
    same = [pod for pod in host.pods() if _is(pod, namespace, name)]
    return max(same, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)


def running(pods: Sequence[Object]) -> list[Object]:
    """Those of which a container runs."""
    return [pod for pod in pods if any("running" in (each.get("state") or {}) for each in _statuses(pod))]


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _is(pod: Object, namespace: str, name: str) -> bool:
    metadata = pod["metadata"]
    return bool(metadata["namespace"] == namespace and metadata["name"] == name)
