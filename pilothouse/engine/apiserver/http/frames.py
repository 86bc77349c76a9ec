"""Answers as bytes: the store's own bytes with a type spliced in front, shared by everybody who gets the same answer.

An event to a hundred watchers is encoded once: the frame of a change is kept until the next change of that resource.
"""

from typing import Any

from pilothouse.engine.apiserver.answer import ListResponse, Stored
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object, dumps


def object_bytes(served: ServedResource, record: Stored) -> bytes:
    if served.kind.from_stored is not None:
        return dumps(served.typed(record.value))
    return served.head + record.raw[1:]


def list_bytes(answer: ListResponse) -> bytes:
    served = answer.served
    resource = served.resource
    # Lists of custom resources say so when there is no more.
    metadata = ({"continue": ""} if served.custom else {}) | list_metadata(answer)
    start = dumps({"kind": served.list_kind, "apiVersion": resource.api_version, "metadata": metadata})
    return b"%b,%b%b]}" % (start[:-1], b'"items":[', b",".join(_items(served, answer.records)))


def _items(served: ServedResource, records: list[Any]) -> list[bytes]:
    if served.kind.from_stored is not None:
        convert = served.kind.from_stored
        return [dumps(convert(record.peek())) for record in records]
    if served.custom:
        head = served.head
        return [head + record.raw[1:] for record in records]
    return [record.raw for record in records]


def list_metadata(answer: ListResponse) -> Object:
    metadata: Object = {"resourceVersion": str(answer.revision)}
    if answer.resume:
        metadata["continue"] = answer.resume
    if answer.remaining:
        metadata["remainingItemCount"] = answer.remaining
    return metadata


class FrameCache:
    """The last frame made of a resource's change; all its watchers are told of a change in one go."""

    __slots__ = ("_frame", "_record", "_type")

    def __init__(self) -> None:
        self._record: Stored | None = None
        self._type = ""
        self._frame = b""

    def frame(self, type: str, served: ServedResource, record: Stored) -> bytes:
        if self._record is not record or self._type != type:
            self._frame = frame(type, object_bytes(served, record))
            self._record, self._type = record, type
        return self._frame


def frame(type: str, encoded: bytes) -> bytes:
    """A watch event as it goes over the wire."""
    return b'{"type":"%b","object":%b}\n' % (type.encode(), encoded)
