"""From what is observed to what is to be done: which thresholds are met, which conditions the node has, what is to be reclaimed. Pure.

Source: kubernetes pkg/kubelet/eviction/eviction_manager.go (synchronize).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.node.eviction.thresholds import (
    CONDITIONS,
    IMAGE_FS,
    IMAGE_INODES,
    MEMORY,
    NODE_FS,
    NODE_INODES,
    PIDS,
    Threshold,
)
from pilothouse.engine.node.stats.figures import NodeFigures


@dataclass(frozen=True, slots=True)
class Observed:
    available: int
    capacity: int


Observations = Mapping[str, Observed]
"""By signal."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered from one look to the next. Times: as the `now` of `judge`.

    first_met: since when each threshold has been met without a break. acted_on: those that have been met beyond their grace. seen: when
    each condition of the node was last called for.
    """

    first_met: Mapping[Threshold, float] = field(default_factory=dict)
    acted_on: tuple[Threshold, ...] = ()
    seen: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """conditions: that the node has. starved: thresholds to act upon, the most urgent first."""

    memory: Memory
    conditions: frozenset[str] = frozenset()
    starved: tuple[Threshold, ...] = ()


def observe(node: NodeFigures) -> Observations:
    available = node.memory.available_bytes
    found = {
        NODE_FS: Observed(node.fs.available_bytes, node.fs.capacity_bytes),
        IMAGE_FS: Observed(node.image_fs.available_bytes, node.image_fs.capacity_bytes),
        PIDS: Observed(node.most_processes - node.processes, node.most_processes),
    }
    if available is not None:
        found[MEMORY] = Observed(available, node.memory_capacity_bytes)
    # Some file systems (btrfs) have no number of inodes: they say 0 of 0.
    for signal, fs in ((NODE_INODES, node.fs), (IMAGE_INODES, node.image_fs)):
        if fs.inodes:
            found[signal] = Observed(fs.inodes_free, fs.inodes)
    return found


def met(thresholds: Iterable[Threshold], observed: Observations, *, with_reclaim: bool) -> list[Threshold]:
    """with_reclaim: a threshold counts as met until its minimum reclaim is there, too."""
    return [each for each in thresholds if _is_met(each, observed.get(each.signal), with_reclaim=with_reclaim)]


def _is_met(threshold: Threshold, observed: Observed | None, *, with_reclaim: bool) -> bool:
    if observed is None:
        return False
    wanted = threshold.amount.of(observed.capacity)
    if with_reclaim and threshold.min_reclaim is not None:
        wanted += threshold.min_reclaim.of(observed.capacity)
    return observed.available < wanted


def judge(thresholds: Sequence[Threshold], observed: Observations, before: Memory, now: float, transition_s: float) -> Verdict:
    """transition_s: how long a condition stays after the last look that called for it."""
    present = met(thresholds, observed, with_reclaim=False)
    present += [each for each in met(before.acted_on, observed, with_reclaim=True) if each not in present]
    first_met = {each: before.first_met.get(each, now) for each in present}
    seen = {**before.seen, **{CONDITIONS[each.signal]: now for each in present}}
    conditions = frozenset(name for name, at in seen.items() if now - at < transition_s or at == now)
    starved = tuple(each for each, since in first_met.items() if now - since >= each.grace_s)
    kept = {name: at for name, at in seen.items() if name in conditions}
    ordered = tuple(sorted(starved, key=lambda each: (each.signal != MEMORY, not each.is_hard)))
    return Verdict(Memory(first_met, starved, kept), conditions, ordered)
