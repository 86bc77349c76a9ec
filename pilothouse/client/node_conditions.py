"""Conditions of this process's node that no kubelet knows: what its network finds out about itself.

Setting never waits: the latest word on each type is kept, and one task brings the Node's status to it. Each type has one part that sets
it. Compared is with what the API has, so that a Node that was made anew, or written to by others, hears it again.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.client.client import Client
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES

log = structlog.get_logger("client.conditions")

SETTLE_S, LOOK_S, RETRY_S, MOST_RETRY_S = 0.2, 60.0, 1.0, 30.0
MOST_BYTES = 1024
"""Of a message; what is longer ends in an ellipsis."""


@dataclass(frozen=True, slots=True)
class NodeCondition:
    """status: "True" or "False". reason: one word in CamelCase; message: a sentence."""

    type: str
    status: str
    reason: str
    message: str

    def is_said(self, shown: Object) -> bool:
        return (shown.get("status"), shown.get("reason"), shown.get("message")) == (self.status, self.reason, self.message)


class NodeConditions:
    """node: its name. now: in seconds, for the times that are shown."""

    def __init__(self, node: str, *, now: Callable[[], float] = time.time) -> None:
        self._node = node
        self._now = now
        self._wanted: dict[str, NodeCondition] = {}
        self._news = asyncio.Event()

    def set(self, type: str, is_true: bool, reason: str, message: str) -> None:
        """To be called in the loop, also before `run`. What was said last is not written again."""
        shown = message if len(message.encode()) <= MOST_BYTES else message.encode()[: MOST_BYTES - 3].decode(errors="ignore") + "…"
        wanted = NodeCondition(type, "True" if is_true else "False", reason, shown)
        if self._wanted.get(type) != wanted:
            self._wanted[type] = wanted
            self._news.set()

    async def run(self, client: Client, ready: asyncio.Event) -> NoReturn:
        """Until cancelled. client: signed in as the node. What cannot be written is tried again, less and less often."""
        ready.set()
        pause = Backoff(RETRY_S, cap_s=MOST_RETRY_S)
        while True:
            await self._next()
            try:
                await self._write(client)
            except ApiError as error:
                log.warning("conditions of the node not written", error=error.message)
                self._news.set()
                await asyncio.sleep(pause.next_s())
            else:
                pause.reset()
                await asyncio.sleep(SETTLE_S)

    async def _next(self) -> None:
        """Until something was set, or it is time to look whether it is still said."""
        try:
            async with asyncio.timeout(LOOK_S if self._wanted else None):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def _write(self, client: Client) -> None:
        node = await client.get(NODES, self._node)
        unsaid = [each for each in self._wanted.values() if not each.is_said(meta.condition(node, each.type) or {})]
        if unsaid:
            status = {"conditions": [self._shown(each, meta.condition(node, each.type) or {}) for each in unsaid]}
            await client.patch(NODES, self._node, {"status": status}, type=STRATEGIC_PATCH, subresource="status")

    def _shown(self, wanted: NodeCondition, old: Object) -> Object:
        now = meta.rfc3339(self._now())
        changed = old.get("lastTransitionTime") if old.get("status") == wanted.status else None
        said = {"type": wanted.type, "status": wanted.status, "reason": wanted.reason, "message": wanted.message}
        return said | {"lastHeartbeatTime": now, "lastTransitionTime": changed or now}
