"""Says in the API that a pod belongs to a node."""

from pilothouse.client.client import Client
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.model import kinds


class DefaultBinder:
    name = "DefaultBinder"

    def __init__(self, client: Client) -> None:
        self._client = client

    async def bind(self, pod: PodInfo, node: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        metadata = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        await self._client.call("POST", kinds.PODS.path(pod.namespace, pod.name, "binding"), body=binding)
