"""One audit.k8s.io/v1 Event: what is known of a request at one of its stages, as JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pilothouse.engine.apiserver.audit.bodies import AuditedBody, without_managed_fields
from pilothouse.engine.apiserver.audit.confidential import holds_secret
from pilothouse.engine.apiserver.audit.cutting import USERS, TextBounds, within
from pilothouse.engine.apiserver.identity import User
from pilothouse.model.json import Object, dumps, raw

TRUNCATED = "audit.k8s.io/truncated"
_HEAD_BYTES = 1536
"""About what an event takes in memory beside its bodies."""


@dataclass(frozen=True, slots=True)
class Event:
    """head: the fields before the bodies, in order. received, at: Unix times of the request's arrival and of the stage."""

    head: Object
    received: float
    at: float
    annotations: Object
    sent: AuditedBody | None = None
    answered: AuditedBody | None = None
    omits_managed_fields: bool = False
    room: TextBounds = USERS

    @property
    def size(self) -> int:
        stated = len(self.head.get("requestURI", "")) + sum(map(len, self.annotations.values()))
        return _HEAD_BYTES + stated + sum(body.size for body in (self.sent, self.answered) if body is not None and not body.is_too_large)

    def encoded(self) -> bytes:
        """Never raises for what a client has sent: who can make an event fail can act without leaving a trace."""
        head, is_cut = within(self.head, self.room)
        event: Object = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", **head}
        annotations = self.annotations | ({TRUNCATED: "true"} if is_cut else {})
        for name, body in (("requestObject", self.sent), ("responseObject", self.answered)):
            if body is None:
                continue
            shown = None if body.is_too_large else self._shown(body)
            if shown is None:
                annotations = annotations | {TRUNCATED: "true"}
            elif shown:
                event[name] = raw(shown)
        event["requestReceivedTimestamp"], event["stageTimestamp"] = _timestamp(self.received), _timestamp(self.at)
        if annotations:
            event["annotations"] = annotations
        return _line(event)

    def _shown(self, body: AuditedBody) -> bytes | None:
        """JSON of the body; empty when there is nothing to show, None when it cannot be shown.

        The API takes fields that it does not know: depth, numbers and texts in them may be beyond what the encoder writes.
        """
        try:
            value = body.value()
            if value is None or holds_secret(value):
                return b""
            return dumps(without_managed_fields(value) if self.omits_managed_fields else value)
        except (ValueError, TypeError, RecursionError):
            return None


def _line(event: Object) -> bytes:
    try:
        return dumps(event)
    except TypeError:
        # A text that is no Unicode, such as a name in a certificate. Without the bodies, all is text, lists and objects.
        plain = {name: value for name, value in event.items() if name not in ("requestObject", "responseObject")}
        plain["annotations"] = {**(event.get("annotations") or {}), TRUNCATED: "true"}
        return json.dumps(plain, ensure_ascii=False, default=str).encode("utf-8", "replace")


def user_info(user: User | None) -> Object:
    return {} if user is None else user.to_info()


def _timestamp(at: float) -> str:
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1_000_000):06}Z"


@lru_cache(16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
