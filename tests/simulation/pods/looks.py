"""What is looked at in pods, and the time."""

import asyncio
from typing import Any

from pilothouse.model.json import Object

HOUR_S = 3600.0


def gone(found: Object | None) -> bool:
    return found is None


def is_phase(phase: str) -> Any:
    return lambda found: found is not None and found["status"].get("phase") == phase


def now() -> float:
    return asyncio.get_running_loop().time()


def counts(found: Object) -> dict[str, int]:
    return {each["name"]: each["restartCount"] for each in found["status"].get("containerStatuses") or ()}
