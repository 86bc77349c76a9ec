"""Orders on their way to one member: one at a time, and of those that wait meanwhile the newest alone.

They are sent beside the rounds: an agent that takes an order and does not answer holds up nobody but its own member.
"""

import asyncio
import ssl
from collections.abc import Callable

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.agents import AgentError, Agents, Place, Superseded

log = structlog.get_logger("platform.databases")


class Telling:
    """taken: called with the state after an order was taken. hindered: called when there is a hindrance that was not there before.

    hindrance: what stands in the way for good, as a sentence; "" for nothing.
    """

    def __init__(
        self, agents: Agents, place: Place, context: ssl.SSLContext, taken: Callable[[Object], None], hindered: Callable[[], None]
    ) -> None:
        self.hindrance = ""
        self._agents = agents
        self._place = place
        self._context = context
        self._taken = taken
        self._hindered = hindered
        self._sent: bytes | None = None
        self._next: bytes | None = None
        self._task: asyncio.Task[None] | None = None

    def give(self, tasks: TaskSet, document: bytes) -> None:
        """Returns at once. A document that is on its way already is not sent again."""
        is_busy = self._task is not None and not self._task.done()
        self._next = None if is_busy and document == self._sent else document
        if not is_busy:
            self._task = tasks.start(self._send(), name=f"orders {self._place.member}")

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _send(self) -> None:
        while (document := self._next) is not None:
            self._sent, self._next = document, None
            await self._once(document)

    async def _once(self, document: bytes) -> None:
        try:
            state = await self._agents.order(self._place, self._context, document)
        except Superseded as error:
            self._hinder(f"{error}: another operator is at work, or the cluster's memory was set back")
        except AgentError as error:
            log.info("order not taken", member=self._place.member, error=str(error))
        else:
            self.hindrance = ""
            self._taken(state)

    def _hinder(self, said: str) -> None:
        before, self.hindrance = self.hindrance, said
        if said != before:
            self._hindered()
