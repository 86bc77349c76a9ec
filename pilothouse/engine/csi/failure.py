"""Why a driver has not done what it was asked for. Apart from the client, so that who only reads of failures loads no gRPC."""

_NAMES = """
OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED
"""
_CODES = _NAMES.split()
_UNDECIDED = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"})


class CsiFailure(Exception):
    """A driver refused, or could not be asked.

    method: CreateVolume, ..., "" for none. code: gRPC's name of the status (NOT_FOUND, UNAVAILABLE, ...).
    """

    def __init__(self, driver: str, method: str, why: str, code: str) -> None:
        super().__init__(": ".join(each for each in (f"driver {driver}", method, code, why) if each))
        self.driver = driver
        self.method = method
        self.why = why
        self.code = code

    @property
    def is_final(self) -> bool:
        """Whether nothing has been done or is still being done: after any other failure the driver may finish the work yet."""
        return self.code not in _UNDECIDED

    @property
    def number(self) -> int:
        """gRPC's number of the status, UNKNOWN's for one that it does not have."""
        return _CODES.index(self.code) if self.code in _CODES else _CODES.index("UNKNOWN")
