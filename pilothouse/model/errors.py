"""API errors: one exception type for each reason that someone catches, rendered as a `v1` Status.

`to_status` and `from_status` are exact inverses. Messages follow upstream's wording, because people search for it.
Source: Kubernetes API conventions, "Response Status Kind"; apimachinery/pkg/api/errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pilothouse.model.json import Object

MOST_CAUSES = 100
LONGEST_TEXT = 1024
"""Characters of one text about a mistake; what is longer loses its middle, so that the value's start and the rule stay."""


def shortened(text: str) -> str:
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with an object: `reason` as upstream's field error types (FieldValueRequired, ...)."""

    field: str
    reason: str
    message: str

    def shortened(self) -> "Cause":
        """The cause as an answer shows it: paths and values are the client's and may be of any length."""
        if len(self.field) <= LONGEST_TEXT and len(self.message) <= LONGEST_TEXT:
            return self
        return Cause(shortened(self.field), self.reason, shortened(self.message))

    def to_dict(self) -> Object:
        shown = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in shown.items() if value}


class ApiError(Exception):
    """An answer other than success: HTTP status code, reason, message and details of a Status."""

    code: int = 500
    reason: str = "InternalError"
    resume: str = ""
    """With what token a list may be gone on with all the same; "" for none."""
    by_reason: ClassVar[dict[str, type["ApiError"]]] = {}

    def __init__(self, message: str, *, details: Object | None = None, code: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.code = self.code if code is None else code
        self.reason = self.reason if reason is None else reason

    def __init_subclass__(cls) -> None:
        ApiError.by_reason.setdefault(cls.reason, cls)

    def to_status(self) -> Object:
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        if self.resume:
            status["metadata"] = {"continue": self.resume}
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}

    @staticmethod
    def from_status(status: Object) -> "ApiError":
        """The exception that renders as this Status; an unknown reason gives a plain ApiError that keeps it."""
        reason = status.get("reason", "")
        kind = ApiError.by_reason.get(reason, ApiError)
        error = kind.__new__(kind)
        ApiError.__init__(
            error,
            status.get("message", ""),
            details=status.get("details"),
            code=status.get("code", 500),
            reason=reason,
        )
        error.resume = (status.get("metadata") or {}).get("continue", "")
        return error

    @property
    def retry_after_s(self) -> float | None:
        return None if self.details is None else self.details.get("retryAfterSeconds")


ECHO_MAX = 256
"""Characters of a caller's string that a message repeats: more than any valid name has."""


def echo(text: str) -> str:
    """A string of the caller's as a message shows it; without a bound, a small request would have a large answer."""
    return text if len(text) <= ECHO_MAX else text[:ECHO_MAX] + "..."


NAME_MAX = 8 * 1024
"""Characters of a name in details, where clients compare it with what they asked for: as many as the line of a request holds."""


def named(resource: str, name: str, group: str = "", **more: Any) -> Object:
    """Details of a Status about one object; upstream leaves empty fields out."""
    shown = {"name": name[:NAME_MAX], "group": echo(group), "kind": echo(resource)} | more
    return {key: value for key, value in shown.items() if value}


def qualified(resource: str, group: str) -> str:
    return f"{echo(resource)}.{echo(group)}" if group else echo(resource)


class NotFound(ApiError):
    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: str, name: str, group: str = "") -> "NotFound":
        return cls(f'{qualified(resource, group)} "{echo(name)}" not found', details=named(resource, name, group))


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: str, name: str, group: str = "") -> "AlreadyExists":
        return cls(f'{qualified(resource, group)} "{echo(name)}" already exists', details=named(resource, name, group))


class Conflict(ApiError):
    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, resource: str, name: str, why: str, group: str = "") -> "Conflict":
        message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{echo(name)}": {why}'
        return cls(message, details=named(resource, name, group))


class Invalid(ApiError):
    """What is wrong with an object (HTTP 422): all of it, up to MOST_CAUSES causes and with long texts shortened."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, kind: str, name: str, causes: Sequence[Cause], group: str = "") -> "Invalid":
        shown = [cause.shortened() for cause in causes[:MOST_CAUSES]]
        lines = [f"{cause.field}: {cause.message}" for cause in shown]
        if len(causes) > len(shown):
            lines.append(f"and {len(causes) - len(shown)} more")
        text = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]" if lines else ""
        details = named(kind, name, group)
        if causes:
            details["causes"] = [cause.to_dict() for cause in shown]
        return cls(f'{qualified(kind, group)} "{echo(name)}" is invalid: {text}', details=details)

    @property
    def causes(self) -> list[Cause]:
        found = (self.details or {}).get("causes", [])
        return [Cause(c.get("field", ""), c.get("reason", ""), c.get("message", "")) for c in found]


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, resource: str, name: str, why: str, group: str = "") -> "Forbidden":
        subject = f' "{echo(name)}"' if name else ""
        message = f"{qualified(resource, group)}{subject} is forbidden: {why}"
        return cls(message, details=named(resource, name, group))


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Expired(ApiError):
    """The revision asked for is compacted away; list anew."""

    code, reason = 410, "Expired"


class Gone(ApiError):
    code, reason = 410, "Gone"


class RequestTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


class ServerTimeout(ApiError):
    code, reason = 500, "ServerTimeout"


class InsufficientStorage(ApiError):
    """A node has no room for what it is asked to keep; another one may have."""

    code, reason = 507, "InsufficientStorage"


class Unavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Internal(ApiError):
    code, reason = 500, "InternalError"
