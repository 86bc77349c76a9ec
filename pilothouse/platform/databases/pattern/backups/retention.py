"""Which backups of an instance may go (pure). Those that a schedule has taken alone: what somebody asked for stays until it is deleted."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.pattern.types import Keep

KEPT_FAILURES = 3
"""For what they say."""
_DAY_S = 86400


def outlived(backups: Sequence[Object], keep: Keep, now_s: float) -> list[Object]:
    """The newest that was restored with success never goes, nor the newest at all while none was."""
    mine = [each for each in backups if labels.SCHEDULED in meta.annotations(each) and not meta.is_deleting(each)]
    good = sorted((each for each in backups if _phase(each) == "Succeeded"), key=_finished, reverse=True)
    last = next((each for each in good if meta.is_true(each, "Verified")), good[0] if good else None)
    scheduled = [each for each in good if each in mine]
    too_many = scheduled[keep.count :]
    too_old = [each for each in scheduled if keep.days is not None and now_s - meta.parse_rfc3339(_finished(each)) > keep.days * _DAY_S]
    failed = sorted((each for each in mine if _phase(each) == "Failed"), key=_finished, reverse=True)[KEPT_FAILURES:]
    going = {meta.uid(each): each for each in (*too_many, *too_old, *failed) if last is None or meta.uid(each) != meta.uid(last)}
    return list(going.values())


def _phase(backup: Object) -> str:
    return str((backup.get("status") or {}).get("phase") or "")


def _finished(backup: Object) -> str:
    return str((backup.get("status") or {}).get("finishedAt") or backup["metadata"].get("creationTimestamp") or "")
