"""Answers as bytes: the store's own bytes with a type spliced in front, shared by everybody who gets the same answer.

An event to a hundred watchers is encoded once: the frame of a change is kept until the next change of that resource.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.engine.apiserver.answer import ListResponse, Stored
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model import protobuf
from pilothouse.model.json import Object, dumps, loads


def object_bytes(served: ServedResource, record: Stored) -> bytes:
    if served.kind.from_stored is not None:
        return dumps(served.typed(record.value))
    return served.head + record.raw[1:]


def list_bytes(answer: ListResponse) -> bytes:
    served = answer.served
    return b"%b%b]}" % (list_start(answer), b",".join([item_bytes(served, record) for record in answer.records]))


def list_start(answer: ListResponse) -> bytes:
    """The JSON of a list up to the opening bracket of its items."""
    served = answer.served
    resource = served.resource
    # Lists of custom resources say so when there is no more.
    metadata = ({"continue": ""} if served.custom else {}) | list_metadata(answer)
    start = dumps({"kind": served.list_kind, "apiVersion": resource.api_version, "metadata": metadata})
    return b'%b,"items":[' % start[:-1]


def item_bytes(served: ServedResource, record: Any) -> bytes:
    """An object as lists have it: those of built-in kinds name no type."""
    if served.kind.from_stored is not None:
        return dumps(served.kind.from_stored(record.peek()))
    raw: bytes = record.raw
    return served.head + raw[1:] if served.custom else raw


def list_metadata(answer: ListResponse) -> Object:
    metadata: Object = {"resourceVersion": str(answer.revision)} if answer.revision else {}
    if answer.resume:
        metadata["continue"] = answer.resume
    if answer.remaining:
        metadata["remainingItemCount"] = answer.remaining
    return metadata


class FrameCache:
    """The last frame made of a resource's change; all its watchers are told of a change in one go.

    framed: makes a frame of an event's type and its object's JSON.
    """

    __slots__ = ("_frame", "_record", "_type", "framed")

    def __init__(self, framed: Callable[[str, bytes], bytes]) -> None:
        self.framed = framed
        self._record: Stored | None = None
        self._type = ""
        self._frame = b""

    def frame(self, type: str, served: ServedResource, record: Stored) -> bytes:
        if self._record is not record or self._type != type:
            self._frame = self.framed(type, object_bytes(served, record))
            self._record, self._type = record, type
        return self._frame


def json_frame(type: str, encoded: bytes) -> bytes:
    """A watch event as it goes over the wire."""
    return b'{"type":"%b","object":%b}\n' % (type.encode(), encoded)


def protobuf_frame(type: str, encoded: bytes) -> bytes:
    return protobuf.watch_event(type, loads(encoded))
