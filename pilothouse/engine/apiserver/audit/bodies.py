"""What was sent and what was answered, as values for an event; parsed and converted in the log's thread."""

from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.client.transport import APPLY_PATCH
from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, Stored
from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request.body import Unparsable
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, YAML
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object, dumps, loads

LARGEST_BYTES = 1 << 20
LARGEST_YAML_BYTES = 128 << 10
"""Parsing YAML takes so long that more of it would hold up the log."""


class AuditedBody(Protocol):
    @property
    def size(self) -> int:
        """In bytes, about."""
        ...

    @property
    def is_too_large(self) -> bool: ...

    def value(self) -> Any:
        """None for what cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    data: bytes
    media: str

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def is_too_large(self) -> bool:
        return self.size > (LARGEST_YAML_BYTES if self.media == YAML else LARGEST_BYTES)

    def value(self) -> Any:
        try:
            return bodies.read(self.data, self.media).value
        except Unparsable:
            return None


@dataclass(frozen=True, slots=True)
class Records:
    """Objects of the store, as a list or one alone."""

    served: ServedResource
    records: list[Stored]
    is_list: bool

    @property
    def size(self) -> int:
        return sum(len(record.raw) for record in self.records)

    @property
    def is_too_large(self) -> bool:
        return self.size > LARGEST_BYTES

    def value(self) -> Any:
        shown = [self.served.typed(loads(record.raw)) for record in self.records]
        if not self.is_list:
            return shown[0]
        return {"kind": self.served.list_kind, "apiVersion": self.served.resource.api_version, "metadata": {}, "items": shown}


@dataclass(frozen=True, slots=True)
class ValueBody:
    """A value that nobody changes any more."""

    document: Object

    @property
    def size(self) -> int:
        return 1024

    @property
    def is_too_large(self) -> bool:
        return False

    def value(self) -> Any:
        return self.document


def sent(request: ApiRequest) -> AuditedBody | None:
    """None when the request has no body, or one that is meant for somebody behind a proxy: it may hold anything, passwords too."""
    if request.body is None or request.body in (b"", {}) or request.target.subresource == "proxy":
        return None
    if not isinstance(request.body, bytes):
        # The caller may go on with its value, so its present state is kept.
        return Sent(dumps(request.body), JSON)
    media = request.content_type.partition(";")[0].strip().lower()
    return Sent(request.body, YAML if media in (YAML, APPLY_PATCH) else PROTOBUF if media == PROTOBUF else JSON)


def answered(answer: object) -> AuditedBody | None:
    """None for an answer that is no value: a stream, a session, a page."""
    if isinstance(answer, ObjectResponse):
        return Records(answer.served, [answer.record], is_list=False)
    if isinstance(answer, ListResponse):
        return Records(answer.served, answer.records, is_list=True)
    return ValueBody(answer.value) if isinstance(answer, DocumentResponse) else None


def without_managed_fields(value: Any) -> Any:
    """A value of one's own, which is changed in place."""
    if isinstance(value, dict):
        if isinstance(metadata := value.get("metadata"), dict):
            metadata.pop("managedFields", None)
        for item in value.get("items") or ():
            without_managed_fields(item)
    return value
