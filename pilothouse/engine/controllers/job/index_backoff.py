"""A limit of failures for each index of a Job: one bad index fails alone, the others run on.

How often an index has failed is written on its pods, so that it survives a restart: each replacement carries one more than
the pod it replaces.
Source: Kubernetes 1.36, pkg/controller/job/backoff_utils.go and indexed_job_utils.go; KEP-3850.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.job import facts, indexes, policy
from pilothouse.model import meta
from pilothouse.model.json import Object

FAILURES = "batch.kubernetes.io/job-index-failure-count"
FIRST_WAIT_S = 10.0
MOST_WAIT_S = 600.0


@dataclass(slots=True)
class IndexBackoff:
    """failed: indexes that are given up. failures: how often an index has failed; since: when it did last."""

    failed: set[int] = field(default_factory=set)
    failures: dict[int, int] = field(default_factory=dict)
    since: dict[int, float] = field(default_factory=dict)

    def wait_s(self, index: int, now: float) -> float:
        """Until the index may be tried again."""
        count = self.failures.get(index, 0)
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
    after = before if action == "Ignore" else before + 1
    if action == "FailIndex" or after > most:
        found.failed.add(index)
    if after >= found.failures.get(index, 0):
        found.failures[index] = after
        ended = facts.finish_time(pod)
        if ended is not None:
            found.since[index] = ended


def failures_of(pod: Object) -> int:
    """How often the index had failed before this pod."""
    try:
        return int(meta.annotations(pod).get(FAILURES, "0"))
    except ValueError:
        return 0


def ready(found: IndexBackoff, candidates: Sequence[int], now: float) -> tuple[list[int], float | None]:
    """Those that may be tried now, and in how many seconds the next one may."""
    waits = {index: found.wait_s(index, now) for index in candidates}
    return [index for index, wait_s in waits.items() if wait_s == 0], min((wait_s for wait_s in waits.values() if wait_s > 0), default=None)


def annotate(pod: Object, count: int) -> Object:
    annotations = meta.annotations(pod) | {FAILURES: str(count)}
    return pod | {"metadata": pod["metadata"] | {"annotations": annotations}}
