"""What members say of themselves: one task a member asks its agent over and over, each time waiting for something new.

Keeps the last word of each with the time it was heard; tells the controller when the word is a new one, and when there has been none
for `SILENT_S`, once. Whether silence means anything is decided elsewhere. The orders for a member go beside, see `telling`.

Of an instance in which nothing is to come, agents wait for long: what matters they tell at once, and the kernel tells of connections that
have died. Their last words are old then. So before anything is decided by them, and when one of them has news, all are asked anew
(`rouse`), and until each has answered, or has not for `SILENT_S`, nothing is known (`is_waiting`): positions of different times are no
proof of anything.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.agents import AgentError, Agents, Lost, Place
from pilothouse.platform.databases.mysql.telling import Telling
from pilothouse.platform.databases.mysql.topology.member import SILENT_S, STUCK_S, is_stale

log = structlog.get_logger("platform.databases")

WAIT_S, WAIT_ALONE_S = 1, 2
"""How long an agent may wait for something new: of several members, and of one, whose silence has nobody act."""
REST_S = (25, 35)
"""The same of members at rest, at random, so that they do not all come at the same moment."""
CALM_S = 5.0
"""So long after the last news nobody rests: each time that somebody is roused costs a new connection."""
LEAST_S = 0.1
"""Between two questions to one agent, whose state changes with each transaction."""
BETWEEN_S = 0.5
"""Between a member's last word and the one before that is kept, at least."""
PAUSES_S = (0.1, 0.25, 0.5, 1.0)
"""After so many failures in a row; the last for all that follow. An agent that starts is soon there."""


@dataclass(slots=True)
class Heard:
    """state: None before the first word. at: on the loop's clock; 0 when never. error: why there is none now, "" when there is.

    before: a word of some moment before that one, and before_at when it came.
    """

    place: Place
    uid: str
    state: Object | None = None
    at: float = 0.0
    error: str = ""
    before: Object | None = None
    before_at: float = 0.0


@dataclass(slots=True)
class _Watch:
    """rest: of the long question that is under way. has_rested: whether the last word is of before such a one. doubted_at: since when
    there must be a newer one, on the loop's clock."""

    heard: Heard
    context: ssl.SSLContext
    telling: Telling
    task: "asyncio.Task[None] | None" = None
    failures: int = 0
    rest: asyncio.Timeout | None = None
    has_rested: bool = False
    doubted_at: float | None = None

    def is_waited_for(self, now: float) -> bool:
        if self.doubted_at is not None and now < self.doubted_at + SILENT_S:
            return True
        return self.heard.state is None and not self.heard.error


@dataclass(slots=True)
class _Group:
    """The members of one instance, by the uids of their pods. is_settled: whether nothing is to come. news_at: on the loop's clock."""

    watches: dict[str, _Watch] = field(default_factory=dict)
    is_settled: bool = False
    news_at: float = 0.0


class Observer:
    """changed: called with the key of an instance of which something new is known. calm_s: see CALM_S."""

    def __init__(self, agents: Agents, changed: Callable[[str], None], calm_s: float = CALM_S) -> None:
        self._agents = agents
        self._changed = changed
        self._calm_s = calm_s
        self._groups: dict[str, _Group] = {}
        self._tasks: TaskSet | None = None

    def watch(self, key: str, places: Mapping[str, Place], context: ssl.SSLContext) -> None:
        """Ask these and no others of the instance. places: by the uid of the pod; another pod of the same name begins anew."""
        self._tasks = self._tasks or TaskSet()
        group = self._groups.setdefault(key, _Group())
        watches = group.watches
        for uid in [uid for uid, watch in watches.items() if watch.heard.place != places.get(uid) or watch.context is not context]:
            self._end(watches.pop(uid))
        for uid, place in places.items():
            if uid not in watches:
                watch = watches[uid] = self._new(key, Heard(place, uid), context)
                watch.task = self._tasks.start(self._follow(key, group, watch), name=f"agent {place.member}")

    def settle(self, key: str) -> None:
        """Members of the instance may rest once there have been no news for a moment."""
        if key in self._groups:
            self._groups[key].is_settled = True

    def rouse(self, key: str) -> None:
        """Nobody of the instance rests any more; those that did are asked anew at once."""
        group, loop = self._groups.get(key), asyncio.get_running_loop()
        if group is None:
            return
        group.is_settled, now = False, loop.time()
        resting = [watch for watch in group.watches.values() if watch.rest is not None]
        for watch in resting:
            assert watch.rest is not None
            watch.rest.reschedule(now)
            watch.rest, watch.doubted_at = None, now
        if resting:
            loop.call_at(now + SILENT_S + 0.01, self._changed, key)

    def forget(self, key: str) -> None:
        group = self._groups.pop(key, None)
        for watch in group.watches.values() if group is not None else ():
            self._end(watch)

    def heard(self, key: str, uid: str) -> Heard | None:
        watch = self._watch_of(key, uid)
        return watch.heard if watch is not None else None

    def is_waiting(self, key: str) -> bool:
        """Whether a word is waited for that must come, or fail to, before anything is known of the members."""
        group, now = self._groups.get(key), asyncio.get_running_loop().time()
        return group is not None and any(watch.is_waited_for(now) for watch in group.watches.values())

    def has_news(self, key: str, since_s: float) -> bool:
        group = self._groups.get(key)
        return group is None or not group.news_at or asyncio.get_running_loop().time() < group.news_at + since_s

    def tell(self, key: str, uid: str, document: bytes) -> str:
        """Sends it beside, so that it returns at once. Returns what stands in the way for good, as a sentence, as far as it is known."""
        watch = self._watch_of(key, uid)
        if watch is None or self._tasks is None:
            return ""
        watch.telling.give(self._tasks, document)
        return watch.telling.hindrance

    async def close(self) -> None:
        self._groups.clear()
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.close()

    def _watch_of(self, key: str, uid: str) -> _Watch | None:
        group = self._groups.get(key)
        return group.watches.get(uid) if group is not None else None

    def _new(self, key: str, heard: Heard, context: ssl.SSLContext) -> _Watch:
        def taken(state: Object) -> None:
            """Often as it was before the order: what comes of it is told to the task that listens."""
            if heard.state is None or state["sequence"] > heard.state["sequence"]:
                self._take(watch, state)
                self._changed(key)

        watch = _Watch(heard, context, Telling(self._agents, heard.place, context, taken, lambda: self._changed(key)))
        return watch

    def _end(self, watch: _Watch) -> None:
        watch.telling.end()
        if watch.task is not None:
            watch.task.cancel()

    async def _follow(self, key: str, group: _Group, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            try:
                await self._once(key, group, watch)
                await asyncio.sleep(max(0.0, asked + LEAST_S - loop.time()))
            except AgentError as error:
                self._failed(key, group, watch, str(error), is_silent=isinstance(error, Lost))
                await asyncio.sleep(PAUSES_S[min(watch.failures, len(PAUSES_S)) - 1])
            except Exception as error:
                # A member that nobody listens to any more would be silent until the operator starts anew.
                log.exception("listening to an agent failed", member=watch.heard.place.member)
                self._failed(key, group, watch, f"listening to the agent of {watch.heard.place.member} failed: {error}")
                await asyncio.sleep(PAUSES_S[-1])

    async def _once(self, key: str, group: _Group, watch: _Watch) -> None:
        heard = watch.heard
        state = await self._asked(group, watch)
        if state is None:
            return
        watch.failures = 0
        before, was_doubted = heard.state, watch.doubted_at is not None
        is_news = before is None or bool(heard.error) or _mark(state) != _mark(before)
        self._take(watch, state)
        if is_news:
            self._note_news(key, group)
        elif (was_doubted and not self.is_waiting(key)) or (watch.has_rested and _volatile(state) != _volatile(before or {})):
            self._changed(key)
        watch.has_rested = False

    async def _asked(self, group: _Group, watch: _Watch) -> Object | None:
        """None when it was roused."""
        heard = watch.heard
        after = -1 if heard.state is None or heard.error or watch.doubted_at is not None else heard.state["sequence"]
        if heard.state is None or heard.error:
            await self._agents.turn()
        is_calm = asyncio.get_running_loop().time() >= group.news_at + self._calm_s
        if after < 0 or not (group.is_settled and is_calm):
            return await self._agents.state(heard.place, watch.context, after, WAIT_S if len(group.watches) > 1 else WAIT_ALONE_S)
        try:
            async with asyncio.timeout(None) as watch.rest:
                watch.has_rested = True
                return await self._agents.state(heard.place, watch.context, after, random.randint(*REST_S))
        except TimeoutError:
            return None
        finally:
            watch.rest = None

    def _take(self, watch: _Watch, state: Object) -> None:
        heard = watch.heard
        if heard.state is not None and heard.at - heard.before_at >= BETWEEN_S:
            heard.before, heard.before_at = heard.state, heard.at
        heard.state, heard.at, heard.error = state, asyncio.get_running_loop().time(), ""
        watch.doubted_at = None

    def _note_news(self, key: str, group: _Group) -> None:
        group.news_at = asyncio.get_running_loop().time()
        self.rouse(key)
        self._changed(key)

    def _failed(self, key: str, group: _Group, watch: _Watch, error: str, *, is_silent: bool = False) -> None:
        heard, loop = watch.heard, asyncio.get_running_loop()
        watch.failures += 1
        now = loop.time()
        was_silent, heard.error = bool(heard.error), error
        if watch.has_rested and watch.doubted_at is None and not is_silent:
            # Its word is old, and it is silent only when it is not heard for as long as others.
            watch.has_rested, watch.doubted_at = False, now
        if not was_silent:
            log.info("agent is silent", member=heard.place.member, error=error)
            self._note_news(key, group)
            # Once more when the silence has lasted, since nothing else may happen meanwhile.
            loop.call_at(max(now, max(heard.at, watch.doubted_at or 0.0) + SILENT_S) + 0.01, self._changed, key)


def _mark(state: Object) -> tuple[object, bool, bool]:
    """By which news is known."""
    return state.get("sequence"), is_stale(state), float(state.get("unanswered_s") or 0) >= STUCK_S


def _volatile(state: Object) -> tuple[object, ...]:
    """What is in an instance's status and no news."""
    return state.get("gtid"), state.get("disk"), (state.get("replication") or {}).get("lag_s")
