"""What a failover passes through, by when a client of the cluster's API saw each change.

noticed: from the kill until the status calls the primary lost. elected: until it names another one, after every voter has ceased to
receive. promoted: until that one is known to accept writes. led: until the Service leads to it. reached: until the next row.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from bench.rig.database import NAMESPACE, Database
from pilothouse.aio.tasks import scope
from pilothouse.client.informer import Informer
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES
from pilothouse.platform.databases.resource import MYSQLS

PHASES = ("noticed", "elected", "promoted", "led", "reached")
SERVICE = "kubernetes.io/service-name"
T = TypeVar("T")


@dataclass(slots=True)
class Seen:
    """By the moment, on the clock of writers: statuses, and the members that the Service led to from then on."""

    statuses: list[tuple[float, Object]] = field(default_factory=list)
    led: list[tuple[float, frozenset[str]]] = field(default_factory=list)

    def phases(self, killed_at: float, row_at: float) -> dict[str, float]:
        """Seconds of each; none where there was no failover, since the primary has come back itself.

        The Service is followed beside the status, so that `led` may be a little below zero.
        """
        with suppress(LookupError):
            return self._phases(killed_at, row_at)
        return {}

    def _phases(self, killed_at: float, row_at: float) -> dict[str, float]:
        noticed_at, _ = _first(self.statuses, killed_at, lambda status: not status.get("primary"))
        elected_at, status = _first(self.statuses, noticed_at, lambda status: bool(status.get("primary")))
        promoted_at, _ = _first(self.statuses, elected_at, lambda status: bool(status["move"].get("finishedAt")))
        led_at, _ = _first(self.led, killed_at, lambda names: status["primary"] in names)
        ends = (killed_at, noticed_at, elected_at, promoted_at, led_at, row_at)
        return {name: later - earlier for name, (earlier, later) in zip(PHASES, pairwise(ends), strict=True)}


@asynccontextmanager
async def seeing(database: Database) -> AsyncIterator[Seen]:
    """For the block, what is told of the instance and of the Service to its primary."""
    seen, name = Seen(), database.name

    def status_changed(_: Object | None, new: Object | None) -> None:
        if new is not None and meta.name(new) == name:
            seen.statuses.append((time.monotonic(), new.get("status") or {}))

    def slice_changed(_: Object | None, new: Object | None) -> None:
        seen.led.append((time.monotonic(), frozenset(_ready(new)) if new is not None else frozenset()))

    instances = Informer(database.client, MYSQLS, namespace=NAMESPACE)
    slices = Informer(database.client, ENDPOINTSLICES, namespace=NAMESPACE, label_selector=f"{SERVICE}={name}")
    instances.on_change(status_changed)
    slices.on_change(slice_changed)
    async with scope() as tasks:
        for each in (instances, slices):
            await tasks.start(each.run)
        yield seen
        tasks.cancel()


def told(phases: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {took_s:.2f}" for name, took_s in phases.items()) or "the primary has come back itself"


def _ready(slice_: Object) -> list[str]:
    return [each["targetRef"]["name"] for each in slice_.get("endpoints") or () if (each.get("conditions") or {}).get("ready")]


def _first(seen: Sequence[tuple[float, T]], after: float, holds: Callable[[T], bool]) -> tuple[float, T]:
    for moment, what in seen:
        if moment >= after and holds(what):
            return moment, what
    raise LookupError("it was never seen")
