"""How a part tells what it does to an object: an Event for those who ask the API, a decision for those who ask why.

Saying never waits: events queue up (bounded, the oldest go first) and a component sends them. The same thing said again
within ten minutes raises the count of its Event instead of making another; an object that is talked about too much is left
alone for a while.
Source: client-go/tools/record (aggregation and spam filter).
"""

import asyncio
import copy
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from pilothouse.client.client import Client
from pilothouse.client.spam import SpamFilter
from pilothouse.decisions.log import DecisionLog, Ref
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound, TooManyRequests, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS

log = structlog.get_logger("client.recorder")

WINDOW_S = 600.0
QUEUE_LIMIT = 1000
REMEMBERED = 4096
TRIES = 3
PAUSE_S = 1.0
MESSAGE_BYTES = 1024


@dataclass(slots=True)
class Remark:
    """Something said about an object; component: by whom; count: how often since the Event was last written."""

    component: str
    about: Object
    type: str
    reason: str
    message: str
    first: float
    last: float
    count: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        about = self.about
        return (
            about["kind"],
            about.get("namespace", ""),
            about["name"],
            about.get("uid", ""),
            about.get("fieldPath", ""),
            self.component,
            *self.said,
        )

    @property
    def said(self) -> tuple[str, str, str]:
        return (self.type, self.reason, self.message)


@dataclass(slots=True)
class Written:
    """An Event on the server: its name, count and times, by which the next equal remark raises it."""

    name: str
    count: int
    last: float


class Recorder:
    """client None: no Events. decisions None: no decision log. component: who speaks; instance: which of them (node, process)."""

    def __init__(
        self,
        client: Client | None,
        decisions: DecisionLog | None,
        component: str,
        instance: str = "",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.component = component
        self.instance = instance
        self.dropped = 0
        self._client = client
        self._decisions = decisions
        self._clock = clock
        self._queue: OrderedDict[tuple[str, ...], Remark] = OrderedDict()
        self._queued = asyncio.Event()
        self._written: OrderedDict[tuple[str, ...], Written] = OrderedDict()
        self._spam = SpamFilter(clock)
        self._stamp = 0

    def named(self, component: str) -> "Recorder":
        """The same recorder for another speaker: what it says is sent by whoever runs this one."""
        other = copy.copy(self)
        other.component = component
        return other

    def say(self, obj: Object, type: str, reason: str, message: str, *, field_path: str = "", **facts: Any) -> None:
        """type: "Normal" or "Warning". field_path: the part of the object that is meant (spec.containers{web})."""
        self.decide(obj, reason, message, **facts)
        if self._client is None:
            return
        now = self._clock()
        about = involved(obj, field_path)
        self._enqueue(Remark(self.component, about, type, reason, message, now, now))

    def decide(self, obj: Object, reason: str, message: str, **facts: Any) -> None:
        """Only into the decision log."""
        if self._decisions is not None:
            self._decisions.record(Ref.of(obj), self.component, reason, message, facts)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Send what was said until cancelled."""
        if ready is not None:
            ready.set()
        while True:
            await self._queued.wait()
            while self._queue:
                _, remark = self._queue.popitem(last=False)
                await self._send(remark)
            self._queued.clear()

    def _enqueue(self, remark: Remark) -> None:
        waiting = self._queue.get(remark.key)
        if waiting is not None:
            waiting.count += 1
            waiting.last = remark.last
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popitem(last=False)
            self.dropped += 1
        self._queue[remark.key] = remark
        self._queued.set()

    async def _send(self, remark: Remark) -> None:
        about = remark.about
        if not self._spam.allows((about["kind"], about.get("namespace", ""), about["name"])):
            self.dropped += 1
            return
        for _ in range(TRIES):
            try:
                await self._write(remark)
            except (Unavailable, TooManyRequests) as error:
                await asyncio.sleep(error.retry_after_s or PAUSE_S)
            except ApiError as error:
                # A namespace that is being deleted takes no events; nothing is lost that anyone could look up.
                log.debug("event refused", reason=remark.reason, error=error.message)
                return
            else:
                return
        self.dropped += 1

    async def _write(self, remark: Remark) -> None:
        known = self._written.get(remark.key)
        if known is not None and remark.last - known.last < WINDOW_S:
            try:
                await self._raise_count(remark, known)
            except NotFound:
                pass
            else:
                return
        await self._create(remark)

    async def _raise_count(self, remark: Remark, known: Written) -> None:
        assert self._client is not None
        count = known.count + remark.count
        patch = {"count": count, "lastTimestamp": meta.rfc3339(remark.last)}
        await self._client.patch(EVENTS, known.name, patch, namespace=_home(remark.about))
        known.count, known.last = count, remark.last
        self._written.move_to_end(remark.key)

    async def _create(self, remark: Remark) -> None:
        assert self._client is not None
        event = self._event(remark)
        await self._client.create(EVENTS, event, _home(remark.about))
        self._written[remark.key] = Written(event["metadata"]["name"], remark.count, remark.last)
        self._written.move_to_end(remark.key)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    def _event(self, remark: Remark) -> Object:
        # As upstream: the time in hexadecimal makes the name unique.
        self._stamp = max(self._stamp + 1, int(remark.first * 1e9))
        name = f"{remark.about['name'][:230]}.{self._stamp:x}"
        return {
            "metadata": {"name": name, "namespace": _home(remark.about)},
            "involvedObject": remark.about,
            "reason": remark.reason,
            "message": remark.message[:MESSAGE_BYTES],
            "source": {"component": remark.component} | ({"host": self.instance} if self.instance else {}),
            "firstTimestamp": meta.rfc3339(remark.first),
            "lastTimestamp": meta.rfc3339(remark.last),
            "count": remark.count,
            "type": remark.type,
            "reportingComponent": remark.component,
            "reportingInstance": self.instance,
        }


def involved(obj: Object, field_path: str = "") -> Object:
    """An ObjectReference to the object."""
    reference = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind", ""),
        "name": meta.name(obj),
        "namespace": meta.namespace(obj),
        "uid": meta.uid(obj),
        "resourceVersion": meta.resource_version(obj),
        "fieldPath": field_path,
    }
    return {key: value for key, value in reference.items() if value or key in ("kind", "name")}


def _home(about: Object) -> str:
    """The namespace of events about the object; those about cluster-scoped objects are kept in "default"."""
    return about.get("namespace") or "default"
