"""Asks CSI drivers at the nodes where they are registered; see `engine.csi.serving` for how it is asked.

The requests hold secrets: they go over the node's own socket, or to its kubelet API by TLS, and are not logged.
"""

import asyncio
from urllib.parse import quote

from pilothouse.engine.apiserver.kubelet.body import Body
from pilothouse.engine.apiserver.kubelet.queries import failure
from pilothouse.engine.apiserver.kubelet.volumes import Connect
from pilothouse.engine.csi import serving
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.csi.methods import A, Method, Q
from pilothouse.model.errors import ApiError
from pilothouse.model.json import JSONError, loads

_SLACK_S = 5.0
"""How much longer than the driver the node is waited for."""


class NodeDrivers:
    """connect: to a node of any name."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def call(self, node: str, driver: str, method: Method[Q, A], request: Q, timeout_s: float) -> A:
        """Raises CsiFailure: UNAVAILABLE also where the node cannot be asked, or has no such driver."""
        target = f"/{serving.WORD}/{quote(driver, safe='')}/{method.name}?{serving.SECONDS}={max(1, int(timeout_s))}"
        try:
            async with asyncio.timeout(timeout_s + _SLACK_S):
                status, said = await self._post(node, target, request.SerializeToString())
        except TimeoutError as error:
            raise CsiFailure(driver, method.name, f"node {node} does not answer", "DEADLINE_EXCEEDED") from error
        except ApiError as error:
            raise CsiFailure(driver, method.name, error.message, "UNAVAILABLE") from error
        except (OSError, EOFError) as error:
            raise CsiFailure(driver, method.name, f"node {node} does not answer: {error}", "UNAVAILABLE") from error
        if status != 200:
            raise _failure(driver, method.name, status, said)
        answer: A = method.answer.FromString(said)
        return answer

    async def _post(self, node: str, target: str, body: bytes) -> tuple[int, bytes]:
        reader, writer, host = await self._connect(node)
        try:
            head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {serving.PROTOBUF}\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            answer = Body(reader)
            return await answer.head(), await answer.whole()
        finally:
            writer.transport.abort()


def _failure(driver: str, method: str, status: int, said: bytes) -> CsiFailure:
    if status == serving.FAILED:
        try:
            found = loads(said)
        except JSONError:
            found = None
        if isinstance(found, dict) and isinstance(found.get("code"), str):
            return CsiFailure(driver, method, str(found.get("why") or ""), found["code"])
    return CsiFailure(driver, method, failure(status, said).message, "UNAVAILABLE")
