"""A limit of failures for each index of a Job: one bad index fails alone, the others run on.

How often an index has failed is written on its pods, so that it survives a restart: each replacement carries one more than
the pod it replaces, which is held until then.
Source: Kubernetes 1.36, pkg/controller/job/backoff_utils.go and indexed_job_utils.go; KEP-3850.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.job import facts, indexes, policy
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
"""Of failures that a policy has left out of the count: they delay the next try all the same."""
FIRST_WAIT_S = 10.0
MOST_WAIT_S = 600.0


class Failures(NamedTuple):
    """Of one index."""

    counted: int = 0
    ignored: int = 0

    @property
    def total(self) -> int:
        return self.counted + self.ignored


@dataclass(slots=True)
class IndexBackoff:
    """failed: indexes that are given up. failures: how often an index has failed, with what counts alone; since: when it did last."""

    failed: set[int] = field(default_factory=set)
    failures: dict[int, Failures] = field(default_factory=dict)
    since: dict[int, float] = field(default_factory=dict)

    def wait_s(self, index: int, now: float) -> float:
        """Until the index may be tried again."""
        count = self.failures.get(index, Failures()).total
        if count == 0:
            return 0.0
        delay_s = min(FIRST_WAIT_S * float(2 ** min(count - 1, 10)), MOST_WAIT_S)
        return max(0.0, self.since.get(index, now) + delay_s - now)


def limit(job: Object) -> int | None:
    """None: failures are counted for the job as a whole."""
    found: int | None = facts.spec(job).get("backoffLimitPerIndex")
    return found if facts.is_indexed(job) else None


def judge(job: Object, owned: Iterable[Object]) -> IndexBackoff:
    found = IndexBackoff(failed=indexes.parse(facts.status(job).get("failedIndexes") or "", facts.completions(job) or 0))
    most = limit(job)
    if most is None:
        return found
    rules = (facts.spec(job).get("podFailurePolicy") or {}).get("rules") or []
    for pod in owned:
        index = indexes.index_of(pod)
        if index is not None and facts.has_failed(job, pod):
            _note(found, index, pod, rules, most)
    return found


def _note(found: IndexBackoff, index: int, pod: Object, rules: list[Object], most: int) -> None:
    matched = policy.match(rules, pod) if rules and pods.phase(pod) == "Failed" else None
    action = None if matched is None else matched.action
    before = failures_of(pod)
    ignores = action == "Ignore"
    after = Failures(before.counted + (not ignores), before.ignored + ignores)
    if action == "FailIndex" or after.counted > most:
        found.failed.add(index)
    if after.total >= found.failures.get(index, Failures()).total:
        found.failures[index] = after
        ended = facts.finish_time(pod)
        if ended is not None:
            found.since[index] = ended


def failures_of(pod: Object) -> Failures:
    """How often the index had failed before this pod."""
    counts = (natural(meta.annotations(pod).get(name, "")) or 0 for name in (FAILURES, IGNORED))
    return Failures(*counts)


def held(job: Object, owned: Iterable[Object], decided: Collection[int]) -> set[str]:
    """Uids of failed pods that have to stay until they are replaced, since only they know how often their indexes have failed.

    Of each index that is to be tried again it is the one that knows of the most failures. decided: indexes that are not tried again, since
    they have succeeded or are given up.
    """
    if limit(job) is None:
        return set()
    busy, latest = set[int](), dict[int, Object]()
    for pod in owned:
        index = indexes.index_of(pod)
        if index is None or index in decided:
            continue
        if not pods.is_finished(pod) and not facts.has_failed(job, pod):
            busy.add(index)
        elif facts.has_failed(job, pod) and facts.is_tracked(pod) and _knows_more(pod, latest.get(index)):
            latest[index] = pod
    return {meta.uid(pod) for index, pod in latest.items() if index not in busy}


def _knows_more(pod: Object, other: Object | None) -> bool:
    """Of two that follow the same number of failures the one that ended later."""
    if other is None:
        return True
    return (failures_of(pod).total, facts.finish_time(pod) or 0.0) > (failures_of(other).total, facts.finish_time(other) or 0.0)


def ready(found: IndexBackoff, candidates: Sequence[int], now: float) -> tuple[list[int], float | None]:
    """Those that may be tried now, and in how many seconds the next one may."""
    waits = {index: found.wait_s(index, now) for index in candidates}
    return [index for index, wait_s in waits.items() if wait_s == 0], min((wait_s for wait_s in waits.values() if wait_s > 0), default=None)


def annotate(pod: Object, failures: Failures) -> Object:
    noted = {FAILURES: str(failures.counted)} | ({IGNORED: str(failures.ignored)} if failures.ignored else {})
    return pod | {"metadata": pod["metadata"] | {"annotations": meta.annotations(pod) | noted}}
