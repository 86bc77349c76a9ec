"""When a backup is restored and compared (pure): at once, when it is asked for, and the newest of an instance once a week."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups.jobs import Result

WEEK_S = 7 * 86400
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
    if not proof or proof["reason"] == "NoStore":
        return True
    return newest and proof["status"] == "True" and now_s - meta.parse_rfc3339(_at(backup)) > WEEK_S


def again_s(backup: Object, newest: bool, now_s: float) -> float | None:
    """When to look whether the weekly proof is due."""
    at = _at(backup)
    return max(1.0, meta.parse_rfc3339(at) + WEEK_S - now_s + 1) if newest and at else None


def proven(backup: Object, result: Result) -> Object:
    """What of the status changes by the end of a proof."""
    status: Object = {"verifyAt": backup["spec"].get("verifyAt") or ""}
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


def _at(backup: Object) -> str:
    return str(((backup.get("status") or {}).get("verified") or {}).get("at") or "")
