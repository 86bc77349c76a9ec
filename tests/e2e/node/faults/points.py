"""Points of a pod's life at which something may break: a call of the runtime, seen from the agent."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from google.protobuf.message import Message

from pilothouse.engine.node.runtime.cri import CALL_S, CriRuntime, M

Deed = Callable[[], Awaitable[None]]


class AtPoint(CriRuntime):
    """Does something once, when the agent makes a certain call for the first time: before it, `after_s` after it has begun, or after it.

    verb: of CRI, such as RunPodSandbox. when: "before", "during" or "after".
    """

    def __init__(self, socket: Path, verb: str, when: str, deed: Deed, after_s: float = 0.02) -> None:
        super().__init__(socket)
        self._verb, self._when, self._deed, self._after_s = verb, when, deed, after_s
        self.is_done = False

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float = CALL_S) -> M:
        if self.is_done or method.rpartition("/")[2] != self._verb:
            return await super()._call(method, request, answer, timeout_s)
        self.is_done = True
        if self._when == "before":
            await self._deed()
            return await super()._call(method, request, answer, timeout_s)
        if self._when == "after":
            result = await super()._call(method, request, answer, timeout_s)
            await self._deed()
            return result
        calling = asyncio.ensure_future(super()._call(method, request, answer, timeout_s))
        await asyncio.wait([calling], timeout=self._after_s)
        await self._deed()
        return await calling
