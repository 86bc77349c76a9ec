"""What members say of themselves: one task a member asks its agent over and over, each time waiting for something new.

Keeps the last word of each with the time it was heard; tells the controller when the word is a new one, and when there has been none
for `SILENT_S`, once. Whether silence means anything is decided elsewhere. The orders for a member go beside, see `telling`.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.agents import AgentError, Agents, Place
from pilothouse.platform.databases.mysql.telling import Telling
from pilothouse.platform.databases.mysql.topology.member import SILENT_S, STUCK_S, is_stale

log = structlog.get_logger("platform.databases")

WAIT_S, WAIT_ALONE_S = 1, 2
"""How long an agent may wait for something new: of several members, and of one, whose silence has nobody act."""
LEAST_S = 0.1
"""Between two questions to one agent, whose state changes with each transaction."""
PAUSES_S = (0.1, 0.25, 0.5, 1.0)
"""After so many failures in a row; the last for all that follow. An agent that starts is soon there."""


@dataclass(slots=True)
class Heard:
    """state: None before the first word. at: on the loop's clock; 0 when never. error: why there is none now, "" when there is."""

    place: Place
    uid: str
    state: Object | None = None
    at: float = 0.0
    error: str = ""


@dataclass(slots=True)
class _Watch:
    heard: Heard
    context: ssl.SSLContext
    telling: Telling
    task: "asyncio.Task[None] | None" = None
    failures: int = 0


class Observer:
    """changed: called with the key of an instance of which something new is known."""

    def __init__(self, agents: Agents, changed: Callable[[str], None]) -> None:
        self._agents = agents
        self._changed = changed
        self._watches: dict[str, dict[str, _Watch]] = {}
        self._tasks: TaskSet | None = None

    def watch(self, key: str, places: Mapping[str, Place], context: ssl.SSLContext) -> None:
        """Ask these and no others of the instance. places: by the uid of the pod; another pod of the same name begins anew."""
        self._tasks = self._tasks or TaskSet()
        watches = self._watches.setdefault(key, {})
        for uid in [uid for uid, watch in watches.items() if watch.heard.place != places.get(uid) or watch.context is not context]:
            self._end(watches.pop(uid))
        for uid, place in places.items():
            if uid not in watches:
                watch = watches[uid] = self._new(key, Heard(place, uid), context)
                watch.task = self._tasks.start(self._follow(key, watch), name=f"agent {place.member}")

    def forget(self, key: str) -> None:
        for watch in self._watches.pop(key, {}).values():
            self._end(watch)

    def heard(self, key: str, uid: str) -> Heard | None:
        watch = self._watches.get(key, {}).get(uid)
        return watch.heard if watch is not None else None

    def is_waiting(self, key: str) -> bool:
        """Whether an agent has neither answered nor failed to since it is watched: nothing is known of its member yet."""
        return any(watch.heard.state is None and not watch.heard.error for watch in self._watches.get(key, {}).values())

    def tell(self, key: str, uid: str, document: bytes) -> str:
        """Sends it beside, so that it returns at once. Returns what stands in the way for good, as a sentence, as far as it is known."""
        watch = self._watches.get(key, {}).get(uid)
        if watch is None or self._tasks is None:
            return ""
        watch.telling.give(self._tasks, document)
        return watch.telling.hindrance

    async def close(self) -> None:
        self._watches.clear()
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.close()

    def _new(self, key: str, heard: Heard, context: ssl.SSLContext) -> _Watch:
        def taken(state: Object) -> None:
            """Often as it was before the order: what comes of it is told to the task that listens."""
            if heard.state is None or state["sequence"] > heard.state["sequence"]:
                self._take(heard, state)
                self._changed(key)

        return _Watch(heard, context, Telling(self._agents, heard.place, context, taken, lambda: self._changed(key)))

    def _end(self, watch: _Watch) -> None:
        watch.telling.end()
        if watch.task is not None:
            watch.task.cancel()

    async def _follow(self, key: str, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            try:
                await self._once(key, watch)
                await asyncio.sleep(max(0.0, asked + LEAST_S - loop.time()))
            except AgentError as error:
                self._failed(key, watch, str(error))
                await asyncio.sleep(PAUSES_S[min(watch.failures, len(PAUSES_S)) - 1])
            except Exception as error:
                # A member that nobody listens to any more would be silent until the operator starts anew.
                log.exception("listening to an agent failed", member=watch.heard.place.member)
                self._failed(key, watch, f"listening to the agent of {watch.heard.place.member} failed: {error}")
                await asyncio.sleep(PAUSES_S[-1])

    async def _once(self, key: str, watch: _Watch) -> None:
        heard = watch.heard
        after = (heard.state or {}).get("sequence", -1) if not heard.error else -1
        wait_s = WAIT_S if len(self._watches.get(key, ())) > 1 else WAIT_ALONE_S
        state = await self._agents.state(heard.place, watch.context, after, wait_s)
        watch.failures = 0
        is_news = heard.state is None or bool(heard.error) or _mark(state) != _mark(heard.state)
        self._take(heard, state)
        if is_news:
            self._changed(key)

    def _take(self, heard: Heard, state: Object) -> None:
        heard.state, heard.at, heard.error = state, asyncio.get_running_loop().time(), ""

    def _failed(self, key: str, watch: _Watch, error: str) -> None:
        heard = watch.heard
        watch.failures += 1
        now = asyncio.get_running_loop().time()
        was_silent, heard.error = bool(heard.error), error
        if not was_silent:
            log.info("agent is silent", member=heard.place.member, error=error)
            self._changed(key)
            # Once more when the silence has lasted, since nothing else may happen meanwhile.
            asyncio.get_running_loop().call_at(max(now, heard.at + SILENT_S) + 0.01, self._changed, key)


def _mark(state: Object) -> tuple[object, bool, bool]:
    """By which news is known."""
    return state.get("sequence"), is_stale(state), float(state.get("unanswered_s") or 0) >= STUCK_S
