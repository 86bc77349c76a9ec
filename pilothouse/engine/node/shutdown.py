"""The end of everything that runs on the node, in order and within a time: before the machine, or the instance with `--drain`, stops.

Pods of lower priority end first; each group has its share of the time, which bounds the grace of its pods. What has ended says so in
its status, so that controllers make others as soon as a node takes them. Source: kubelet/nodeshutdown.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from pilothouse.engine.node.pod import podspec
from pilothouse.model.json import Object

log = structlog.get_logger("node.shutdown")

REJECTED = ("NodeShutdown", "Pod was rejected as the node is shutting down.")
POLL_S = 0.02
AFTER_KILL_S = 5.0
"""For what follows the last SIGKILL: sandbox, volumes, the last status."""


class Worker(Protocol):
    @property
    def pod(self) -> Object: ...
    @property
    def has_ended(self) -> bool: ...
    def shut_down(self, grace_s: int) -> None: ...
    async def told(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Period:
    """seconds: for pods with at least that priority, and less than the next period's."""

    priority: int | None
    seconds: int


def periods(total_s: int, critical_s: int) -> list[Period]:
    """critical_s: the part of the total that is kept for critical pods."""
    critical_s = min(critical_s, total_s)
    return [Period(None, total_s - critical_s), Period(podspec.CRITICAL, critical_s)]


def grouped(workers: Iterable[Worker], of: Sequence[Period]) -> list[list[Worker]]:
    """The workers of each period. of: in rising order of priority."""
    groups: list[list[Worker]] = [[] for _ in of]
    for worker in workers:
        priority = podspec.priority(worker.pod)
        place = max(i for i, period in enumerate(of) if period.priority is None or priority >= period.priority)
        groups[place].append(worker)
    return groups


async def shut_down(workers: Sequence[Worker], of: Sequence[Period]) -> list[str]:
    """Ends all pods; returns the keys of those that had not ended in time."""
    left: list[Worker] = []
    for period, group in zip(of, grouped(workers, of), strict=True):
        for worker in group:
            worker.shut_down(period.seconds)
        left += await _ended(group, period.seconds + AFTER_KILL_S)
    await asyncio.gather(*(worker.told() for worker in workers))
    names = [podspec.key_of(worker.pod) for worker in left]
    log.info("pods ended before the node stops", pods=len(workers), left=names)
    return names


async def _ended(group: Sequence[Worker], limit_s: float) -> list[Worker]:
    """Those that have not, when the time is over."""
    until = asyncio.get_running_loop().time() + limit_s
    left = [worker for worker in group if not worker.has_ended]
    while left and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(POLL_S)
        left = [worker for worker in left if not worker.has_ended]
    return left
