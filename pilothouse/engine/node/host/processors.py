"""How many processors the node has for its pods."""

import os

from pilothouse.engine.node.host import cgroups


def count() -> int:
    """Those on which this process, and so containerd and the pods, may run; no more than the topmost cgroup in sight may use at a time."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def _quota() -> float | None:
    """Of the topmost cgroup, in processors; a machine's own root has none."""
    for name, period_name in (("cpu.max", ""), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        words = [*_words(name), *(_words(period_name) if period_name else ())]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            return int(words[0]) / int(words[1])
    return None


def _words(name: str) -> list[str]:
    try:
        return (cgroups.ROOT / name).read_text().split()
    except OSError:
        return []
