"""A `NodeConnector` for all nodes: what is asked about a pod goes to the node that the pod is bound to."""

from collections.abc import AsyncIterator, Callable

from pilothouse.engine.apiserver.nodes import ExecSession, LogOptions, NodeConnector, PortStream
from pilothouse.model.json import Object

Reach = Callable[[str], NodeConnector]
"""The connector of the node of that name; called for each request, and quick."""


class ByNode:
    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        return self._of(pod).logs(pod, container, options)

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> ExecSession:
        return await self._of(pod).exec(pod, container, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> ExecSession:
        return await self._of(pod).attach(pod, container, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def connect(self, pod: Object, port: int) -> PortStream:
        return await self._of(pod).connect(pod, port)

    def _of(self, pod: Object) -> NodeConnector:
        return self._reach((pod.get("spec") or {}).get("nodeName") or "")
