"""What a Job wants next: its counts, its verdict, pods to make or to end. Pure: job, pods and time in, one plan out.

How nothing is counted twice: a finished pod keeps the Job's finalizer until its uid stands in `uncountedTerminatedPods`; only then the
finalizer goes, and only then the uid moves into the counts. Each step is safe to repeat, a crash between any two loses nothing.
Source: Kubernetes 1.36, pkg/controller/job/job_controller.go; KEP-2307.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.job import facts, index_backoff, indexes, policy
from pilothouse.engine.controllers.job.index_backoff import IndexBackoff
from pilothouse.model import meta
from pilothouse.model.json import Object

BURST = 500
BACKOFF_S = 10.0
MOST_BACKOFF_S = 600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """kind: "Complete" or "Failed"."""

    kind: str
    reason: str
    message: str


@dataclass(slots=True)
class Tally:
    """Where a Job stands. active, ending: its pods. succeeded, failed: all ever, those not counted yet included."""

    active: list[Object] = field(default_factory=list)
    ending: list[Object] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    succeeded_indexes: set[int] = field(default_factory=set)
    new_succeeded: list[Object] = field(default_factory=list)
    new_failed: list[Object] = field(default_factory=list)
    ignored: list[Object] = field(default_factory=list)
    backoff: IndexBackoff = field(default_factory=IndexBackoff)
    fatal: str | None = None


def tally(job: Object, owned: Sequence[Object]) -> Tally:
    status = facts.status(job)
    waiting = status.get("uncountedTerminatedPods") or {}
    known = {*(waiting.get("succeeded") or ()), *(waiting.get("failed") or ())}
    found = Tally(
        succeeded=(status.get("succeeded") or 0) + len(waiting.get("succeeded") or ()),
        failed=(status.get("failed") or 0) + len(waiting.get("failed") or ()),
    )
    completions = facts.completions(job) or 0
    found.succeeded_indexes = indexes.parse(status.get("completedIndexes") or "", completions)
    for pod in owned:
        _sort_in(job, pod, meta.uid(pod) in known, completions, found)
    if facts.is_indexed(job):
        found.succeeded = len(found.succeeded_indexes)
        found.backoff = index_backoff.judge(job, owned)
        found.backoff.failed -= found.succeeded_indexes
    return found


def _sort_in(job: Object, pod: Object, is_known: bool, completions: int, found: Tally) -> None:
    if not pods.is_finished(pod):
        (found.ending if meta.is_deleting(pod) else found.active).append(pod)
    is_new = facts.is_tracked(pod) and not is_known
    if pods.phase(pod) == "Succeeded":
        index = indexes.index_of(pod)
        if facts.is_indexed(job) and is_new and index is not None and index < completions:
            found.succeeded_indexes.add(index)
        if is_new:
            found.new_succeeded.append(pod)
            found.succeeded += 1
    elif facts.has_failed(job, pod) and is_new:
        _sort_in_failed(job, pod, found)


def _sort_in_failed(job: Object, pod: Object, found: Tally) -> None:
    rules = (facts.spec(job).get("podFailurePolicy") or {}).get("rules") or []
    matched = policy.match(rules, pod) if rules and pods.phase(pod) == "Failed" else None
    if matched is not None and matched.action == "Ignore":
        found.ignored.append(pod)
        return
    if matched is not None and matched.action == "FailJob" and found.fatal is None:
        found.fatal = matched.message
    found.new_failed.append(pod)
    found.failed += 1


def countable(job: Object, owned: Sequence[Object], found: Tally, decided: Verdict | None) -> Tally:
    """The tally with those of its finished pods alone that may go: until the job is decided, some have to wait for their replacements."""
    if decided is not None:
        return found
    held = index_backoff.held(job, owned, found.succeeded_indexes | found.backoff.failed)
    if not held:
        return found
    failed, ignored = ([pod for pod in pods_of if meta.uid(pod) not in held] for pods_of in (found.new_failed, found.ignored))
    return replace(found, new_failed=failed, ignored=ignored)


def verdict(job: Object, found: Tally, now: float) -> Verdict | None:
    """Whether the job is decided, and how; one that was decided before stays so."""
    before = facts.ending(job)
    if before is not None:
        kind = "Complete" if before["type"] == "SuccessCriteriaMet" else "Failed"
        return Verdict(kind, before.get("reason", ""), before.get("message", ""))
    if found.fatal is not None:
        return Verdict("Failed", "PodFailurePolicy", found.fatal)
    if _is_worn_out(job, found):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    given_up = _is_given_up(job, found)
    if given_up is not None:
        return given_up
    left_s = deadline_left_s(job, now)
    if left_s is not None and left_s <= 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    return _success(job, found)


def _is_worn_out(job: Object, found: Tally) -> bool:
    limit = facts.count(job, "backoffLimit", 6)
    if found.failed > limit:
        return True
    pod_spec = (facts.spec(job).get("template") or {}).get("spec") or {}
    if pod_spec.get("restartPolicy") != "OnFailure":
        return False
    restarted = sum(_restarts(pod) for pod in found.active if pods.phase(pod) in ("Running", "Pending"))
    return restarted > 0 if limit == 0 else restarted >= limit


def _is_given_up(job: Object, found: Tally) -> Verdict | None:
    """Whether too many indexes have failed, or all are decided and not all have succeeded."""
    failed, completions = len(found.backoff.failed), facts.completions(job) or 0
    most = facts.spec(job).get("maxFailedIndexes")
    if most is not None and failed > most:
        return Verdict("Failed", "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
    if failed and failed + len(found.succeeded_indexes) >= completions:
        return Verdict("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _restarts(pod: Object) -> int:
    status = pod.get("status") or {}
    return sum(each.get("restartCount") or 0 for name in ("initContainerStatuses", "containerStatuses") for each in status.get(name) or ())


def _success(job: Object, found: Tally) -> Verdict | None:
    completions = facts.completions(job)
    rules = (facts.spec(job).get("successPolicy") or {}).get("rules") or []
    if rules and completions is not None:
        number = policy.is_enough(rules, found.succeeded_indexes, completions)
        if number is not None:
            return Verdict("Complete", "SuccessPolicy", f"Matched rules at index {number}")
    if facts.is_suspended(job):
        return None
    done = found.succeeded > 0 and not found.active if completions is None else found.succeeded >= completions
    return Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods") if done else None


def deadline_left_s(job: Object, now: float) -> float | None:
    deadline_s, began = facts.spec(job).get("activeDeadlineSeconds"), facts.status(job).get("startTime")
    if deadline_s is None or not began or facts.is_suspended(job):
        return None
    return meta.parse_rfc3339(began) + float(deadline_s) - now


def surplus(job: Object, found: Tally) -> list[Object]:
    """Active pods beyond what is wanted, those that have achieved least first; of an index that has two, one, and those of no index."""
    doubled = _doubled(found.active, facts.completions(job) or 0) if facts.is_indexed(job) else []
    rest = [pod for pod in found.active if pod not in doubled]
    excess = len(rest) - _wanted_active(job, found)
    ordered = sorted(rest, key=lambda pod: (bool(pods.node(pod)), pods.phase(pod) == "Running", pods.is_ready(pod), -_started(pod)))
    return doubled + ordered[: max(0, excess)]


def _doubled(active: Sequence[Object], completions: int) -> list[Object]:
    seen: set[int | None] = set()
    doubled = []
    for pod in sorted(active, key=_started):
        index = indexes.index_of(pod)
        if index is None or index >= completions or index in seen:
            doubled.append(pod)
        seen.add(index)
    return doubled


def _started(pod: Object) -> float:
    return meta.parse_rfc3339(pod["metadata"]["creationTimestamp"]) if pod["metadata"].get("creationTimestamp") else 0.0


def _wanted_active(job: Object, found: Tally) -> int:
    if facts.is_suspended(job):
        return 0
    completions, parallelism = facts.completions(job), facts.parallelism(job)
    if completions is None:
        return min(parallelism, len(found.active)) if found.succeeded > 0 else parallelism
    return max(0, min(parallelism, completions - found.succeeded - len(found.backoff.failed)))


def lacking(job: Object, found: Tally) -> int:
    """How many pods to make, at most a burst of them."""
    held = len(found.active) + (len(found.ending) if facts.replaces_failed_only(job) else 0)
    return max(0, min(BURST, _wanted_active(job, found) - held))


def next_indexes(job: Object, found: Tally, count: int) -> list[int]:
    held = found.active + (found.ending if facts.replaces_failed_only(job) else [])
    taken = found.succeeded_indexes | found.backoff.failed | {index for pod in held if (index := indexes.index_of(pod)) is not None}
    return indexes.missing(facts.completions(job) or 0, taken, count)


def backoff_left_s(failures: int, last_failure: float | None, now: float) -> float:
    """How long to wait before a failed pod is replaced: 10 s, doubling with each failure in a row, at most 10 minutes."""
    if failures == 0 or last_failure is None:
        return 0.0
    wait_s: float = min(BACKOFF_S * float(2 ** min(failures - 1, 10)), MOST_BACKOFF_S)
    return max(0.0, last_failure + wait_s - now)
