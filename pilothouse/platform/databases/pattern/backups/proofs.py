"""When a backup is restored and compared (pure): at once, when it is asked for, and the newest of an instance once a week."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups.jobs import Result

WEEK_S = 7 * 86400
DAY_S = 86400
"""Before a proof that could not be made, for want of the store or of room, is tried again."""
CORRUPTED = ("Corrupted", "Missing")
"""Reasons by which a proof has failed; for any other the backup is as good as it was, only not proven now."""


def is_due(backup: Object, newest: bool, now_s: float) -> bool:
    """newest: of the good ones of its instance."""
    spec, status = backup["spec"], backup.get("status") or {}
    if status.get("phase") != "Succeeded":
        return False
    proof = meta.condition(backup, "Verified") or {}
    if spec.get("verifyAt") and spec["verifyAt"] != status.get("verifyAt"):
        return True
    if not spec.get("verify", True):
        return False
    if not proof or proof["reason"] in ("NoStore", "KeyLost"):
        return True
    due_s = _due_s(backup)
    return newest and due_s is not None and now_s > due_s


def again_s(backup: Object, newest: bool, now_s: float) -> float | None:
    """When to look whether the next proof is due."""
    due_s = _due_s(backup)
    return max(1.0, due_s - now_s + 1) if newest and due_s is not None else None


def proven(backup: Object, result: Result) -> Object:
    """What of the status changes by the end of a proof."""
    status: Object = {"verifyAt": backup["spec"].get("verifyAt") or "", "triedAt": result.at}
    condition: Object = {"type": "Verified", "observedGeneration": meta.generation(backup)}
    if result.succeeded:
        tables, rows = int(str(result.said.get("tables") or 0)), int(str(result.said.get("rows") or 0))
        status["verified"] = {"at": result.at, "seconds": result.seconds, "tables": tables, "rows": rows}
        condition |= {"status": "True", "reason": "Restored", "message": f"restored and compared: {tables} tables, {rows} rows"}
    else:
        known = "False" if result.reason in CORRUPTED else "Unknown"
        condition |= {"status": known, "reason": result.reason or "JobFailed", "message": result.message}
    return status | {"conditions": meta.with_condition((backup.get("status") or {}).get("conditions"), condition, result.at)}


def newest(backups: Sequence[Object]) -> Object | None:
    good = [each for each in backups if (each.get("status") or {}).get("phase") == "Succeeded"]
    return max(good, key=lambda each: each["status"].get("finishedAt") or "", default=None)


def _due_s(backup: Object) -> float | None:
    """Of the next proof of the newest backup. One that has failed stays what it is: what lies in the store does not heal."""
    status = backup.get("status") or {}
    proof = (meta.condition(backup, "Verified") or {}).get("status")
    at, after_s = ((status.get("verified") or {}).get("at"), WEEK_S) if proof == "True" else (status.get("triedAt"), DAY_S)
    return meta.parse_rfc3339(at) + after_s if at and proof in ("True", "Unknown") else None
