"""The status of a Job: whoever manages it, a finished job stays finished, and its counts, times and conditions agree.

A rule about parts that have not changed is silent: they may be what was right before the spec was changed.
"""

from collections.abc import Iterator

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.jobs.validation import indexes
from pilothouse.engine.apiserver.kinds.jobs.validation.indexes import BadIndexes
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.meta import parse_rfc3339

COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_MET = "Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"
_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_CONDITIONS = "status.conditions"
_ABSENT_IS_ZERO = ("active",)


class _Write:
    """A status and the one before it. holds, held: types of the conditions that are true now, and were."""

    def __init__(self, obj: Object, old: Object) -> None:
        self.spec: Object = obj.get("spec") or {}
        self.status: Object = obj.get("status") or {}
        self.before: Object = old.get("status") or {}
        self.holds, self.held = _true(self.status), _true(self.before)
        self.is_finished = not self.holds.isdisjoint((COMPLETE, FAILED))
        self.finishes = self.is_finished == self.held.isdisjoint((COMPLETE, FAILED))

    def turned(self, *conditions: str) -> bool:
        """Whether one of these conditions has become true, or has ceased to be."""
        return not (self.holds ^ self.held).isdisjoint(conditions)

    def changed(self, *names: str) -> bool:
        return any(self._value(self.status, name) != self._value(self.before, name) for name in names)

    def _value(self, status: Object, name: str) -> object:
        return status.get(name) or 0 if name in _ABSENT_IS_ZERO else status.get(name)

    def number(self, name: str) -> int:
        return self.status.get(name) or 0


def _true(status: Object) -> frozenset[str]:
    return frozenset(each.get("type") or "" for each in status.get("conditions") or () if each.get("status") == "True")


def validate_status(obj: Object, old: Object) -> list[Cause]:
    """What is wrong beside the metadata."""
    write = _Write(obj, old)
    causes: list[Cause] = []
    for name in _COUNTS:
        causes += field.non_negative(f"status.{name}", write.status.get(name))
    causes += _uncounted(write.status.get("uncountedTerminatedPods") or {})
    causes += [field.unshown(_CONDITIONS, why) for why in _outcomes(write)]
    causes += _times(write)
    causes += [field.unshown(_CONDITIONS, why) for why in _announcements(write)]
    causes += _of_finished(write) + _indexes(write) + _pods(write)
    causes += [field.unshown(_CONDITIONS, why) for why in _success(write)]
    return causes + _transitions(write)


def _uncounted(waiting: Object) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for name in ("succeeded", "failed"):
        for i, uid in field.until_enough(causes, enumerate(waiting.get(name) or ())):
            path = f"status.uncountedTerminatedPods.{name}[{i}]"
            causes += unique.check(path, uid) if uid else [field.invalid(path, uid, "must not be empty")]
    return causes


def _outcomes(write: _Write) -> Iterator[str]:
    if write.holds >= {COMPLETE, FAILED} and write.turned(COMPLETE, FAILED):
        yield "cannot set Complete=True and Failed=true conditions"
    if write.holds >= {COMPLETE, FAILURE_TARGET} and write.turned(COMPLETE, FAILURE_TARGET):
        yield "cannot set Complete=True and FailureTarget=true conditions"


def _times(write: _Write) -> list[Cause]:
    path, ended, began = "status.completionTime", write.status.get("completionTime"), write.status.get("startTime")
    causes: list[Cause] = []
    if write.turned(COMPLETE) or write.changed("completionTime"):
        if ended and COMPLETE not in write.holds:
            causes.append(field.invalid(path, ended, "cannot set completionTime when there is no Complete=True condition"))
        if not ended and COMPLETE in write.holds:
            causes.append(field.required(path, "completionTime is required for Complete jobs"))
    if ended and began and write.changed("startTime", "completionTime") and parse_rfc3339(ended) < parse_rfc3339(began):
        causes.append(field.invalid(path, ended, "completionTime cannot be set before startTime"))
    return causes


def _announcements(write: _Write) -> Iterator[str]:
    """A job's fate is announced before its last pod is gone, and stays announced."""
    if FAILED in write.holds and FAILURE_TARGET not in write.holds and write.turned(FAILED, FAILURE_TARGET):
        yield "cannot set Failed=True condition without the FailureTarget=true condition"
    if COMPLETE in write.holds and SUCCESS_MET not in write.holds and write.turned(COMPLETE, SUCCESS_MET):
        yield "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"


def _of_finished(write: _Write) -> list[Cause]:
    if not write.is_finished:
        return []
    causes: list[Cause] = []
    if write.number("active") > 0 and (write.finishes or write.changed("active")):
        causes.append(field.invalid("status.active", write.number("active"), "active>0 is invalid for finished job"))
    never_ran = write.spec.get("suspend") is True and write.spec.get("completions") == 0
    if not write.status.get("startTime") and not never_ran and (write.finishes or write.changed("startTime")):
        causes.append(field.required("status.startTime", "startTime is required for finished job"))
    waiting = write.status.get("uncountedTerminatedPods") or {}
    if any(waiting.values()) and (write.finishes or write.changed("uncountedTerminatedPods")):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        causes.append(field.invalid("status.uncountedTerminatedPods", waiting, detail))
    return causes


def _indexes(write: _Write) -> list[Cause]:
    spec, done, failed = write.spec, write.status.get("completedIndexes") or "", write.status.get("failedIndexes")
    completions, has_limit = spec.get("completions"), spec.get("backoffLimitPerIndex") is not None
    causes: list[Cause] = []
    if completions is not None and write.changed("completedIndexes"):
        causes += _readable("completedIndexes", done, completions)
    if completions is not None and has_limit and failed is not None and write.changed("failedIndexes"):
        causes += _readable("failedIndexes", failed, completions)
    if done and spec.get("completionMode") != "Indexed" and write.changed("completedIndexes"):
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        causes.append(field.invalid("status.completedIndexes", done, detail))
    if failed is not None and not has_limit and write.changed("failedIndexes"):
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        causes.append(field.invalid("status.failedIndexes", failed, detail))
    if completions is not None and failed and write.changed("completedIndexes", "failedIndexes"):
        common = indexes.overlap(done, failed, completions)
        if common is not None:
            causes.append(field.invalid("status.failedIndexes", failed, f"failedIndexes and completedIndexes overlap at index: {common}"))
    return causes


def _readable(name: str, text: str, completions: int) -> list[Cause]:
    try:
        indexes.count(text, completions)
    except BadIndexes as error:
        return [field.invalid(f"status.{name}", text, f"error parsing {name}: {error}")]
    return []


def _pods(write: _Write) -> list[Cause]:
    ending, ready = write.number("terminating"), write.status.get("ready")
    causes: list[Cause] = []
    if ending > 0 and write.is_finished and (write.finishes or write.changed("terminating")):
        causes.append(field.invalid("status.terminating", ending, "terminating>0 is invalid for finished job"))
    if ready is not None and ready > write.number("active") and write.changed("ready", "active"):
        causes.append(field.invalid("status.ready", ready, "cannot set more ready pods than active"))
    return causes


def _success(write: _Write) -> Iterator[str]:
    for other in (FAILED, FAILURE_TARGET):
        if write.holds >= {SUCCESS_MET, other}:
            yield f"cannot set SuccessCriteriaMet=True and {other}=true conditions"
    if write.spec.get("successPolicy") is not None and COMPLETE in write.holds and SUCCESS_MET not in write.holds:
        yield "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"


def _transitions(write: _Write) -> list[Cause]:
    status, before = write.status, write.before
    lost = [kind for kind in (FAILED, COMPLETE, FAILURE_TARGET) if kind in write.held - write.holds]
    causes = [field.unshown(_CONDITIONS, f"cannot disable the terminal {kind}=True condition") for kind in lost]
    causes += _no_decrease(write, "failed")
    if not _may_shrink(write.spec):
        causes += _no_decrease(write, "succeeded")
    ended = status.get("completionTime")
    if ended and before.get("completionTime") and write.changed("completionTime"):
        causes.append(field.invalid("status.completionTime", ended, "completionTime cannot be mutated"))
    if before.get("startTime") and write.changed("startTime") and not write.spec.get("suspend"):
        causes.append(field.required("status.startTime", "startTime cannot be removed for unsuspended job"))
    if SUCCESS_MET in write.held - write.holds:
        causes.append(field.unshown(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition"))
    if COMPLETE in write.held and SUCCESS_MET in write.holds - write.held:
        why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        causes.append(field.unshown(_CONDITIONS, why))
    return causes


def _may_shrink(spec: Object) -> bool:
    """An indexed job may be scaled down, below what has succeeded."""
    return spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")


def _no_decrease(write: _Write, name: str) -> list[Cause]:
    value = write.number(name)
    if value >= (write.before.get(name) or 0):
        return []
    return [field.invalid(f"status.{name}", value, f"cannot decrease the {name} counter")]
