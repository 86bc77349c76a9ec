"""What was found to be wrong with an app: its causes, its state in one word, and whether it can still heal by itself."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How an app stands, in one word; besides these there are the reasons of an App's conditions, such as HostTaken."""

    SERVING = "Serving"
    RUNNING = "Running"
    BUILDING = "Building"
    BUILD_FAILED = "BuildFailed"
    RELEASING = "Releasing"
    ROLLING_OUT = "RollingOut"
    SCALED_TO_ZERO = "ScaledToZero"
    PAUSED = "Paused"
    CRASHING = "Crashing"
    ENDED = "Ended"
    FAILED = "Failed"
    OUT_OF_MEMORY = "OutOfMemory"
    NO_PROGRAM = "NoProgram"
    WRONG_PORT = "WrongPort"
    LOOPBACK_ONLY = "LoopbackOnly"
    IMAGE_MISSING = "ImageMissing"
    IMAGE_UNREACHABLE = "ImageUnreachable"
    CONFIG_MISSING = "ConfigMissing"
    OUT_OF_ROOM = "OutOfRoom"
    UNSCHEDULABLE = "Unschedulable"
    REFUSED = "Refused"
    UNHEALTHY = "Unhealthy"
    NOT_READY = "NotReady"
    NO_ROUTE = "NoRoute"


AT_ONCE = 0.0
SOON = 5.0
"""Seconds for which a cause must stand that others may take away: room that is being freed, say."""
LATE = 15.0
"""Seconds for which a cause must stand that an app on its way up may show as well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """chain: clauses, the first cause first, each following from the one before. next_step: what to do about the first.

    certain_after_s: for how many seconds it must stand until waiting longer is of no use; None when it may heal by itself.
    """

    chain: tuple[str, ...]
    next_step: str
    state: str = State.NOT_READY
    certain_after_s: float | None = None
