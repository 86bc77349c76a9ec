"""Answers over HTTP: the chosen representation, warnings, compression, and streams that end when they should."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import yaml

from pilothouse.aio.tasks import begun, scope
from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, StreamResponse
from pilothouse.engine.apiserver.http import tables
from pilothouse.engine.apiserver.http.frames import list_bytes, list_metadata, object_bytes
from pilothouse.engine.apiserver.request.negotiate import JSON, YAML, Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps, loads
from pilothouse.wire import spdy
from pilothouse.wire.messages import HandshakeRefused, Request, Response
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream

_CACHE = ("cache-control", "no-cache, private")
_JSON_HEADERS = (_CACHE, ("content-type", JSON))
_YAML_HEADERS = (_CACHE, ("content-type", YAML))
_COMPRESS_FROM = 128 * 1024
HEAD_DELAY_S = 0.3
_THREAD_FROM = 16 * 1024
_ROWS = 256
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


async def encode(
    answer: ObjectResponse | ListResponse | DocumentResponse, accepted: Accepted, include: str, slots: asyncio.Semaphore
) -> bytes:
    """The body of an answer that is one JSON value; raises BadRequest for an unknown `includeObject`.

    What takes long is done in slices, or in a thread while a slot is free.
    """
    body = await _json(answer, accepted, include)
    if accepted.media != YAML or len(body) < _THREAD_FROM:
        return to_yaml(body) if accepted.media == YAML else body
    async with slots:
        return await asyncio.to_thread(to_yaml, body)


async def _json(answer: ObjectResponse | ListResponse | DocumentResponse, accepted: Accepted, include: str) -> bytes:
    if isinstance(answer, DocumentResponse):
        return dumps(answer.value)
    if not accepted.view:
        return object_bytes(answer.served, answer.record) if isinstance(answer, ObjectResponse) else list_bytes(answer)
    return dumps(await _view(answer, accepted, include))


async def _view(answer: ObjectResponse | ListResponse, accepted: Accepted, include: str) -> Object:
    if accepted.view == "Table":
        tables.check_include(include)
        now = datetime.now(UTC)
        if isinstance(answer, ObjectResponse):
            return tables.one_row(answer.served, answer.record, accepted.version, include, now)
        found = tables.table(answer.served, answer.records[:_ROWS], list_metadata(answer), accepted.version, include, now)
        for start in range(_ROWS, len(answer.records), _ROWS):
            await asyncio.sleep(0)
            found["rows"] += tables.rows(answer.served, answer.records[start : start + _ROWS], accepted.version, include, now)
        return found
    if isinstance(answer, ObjectResponse):
        return tables.partial(answer.record, accepted.version)
    return tables.partial_list(answer, accepted.version)


def to_yaml(body: bytes) -> bytes:
    text: str = yaml.dump(loads(body), Dumper=_DUMPER, default_flow_style=False, allow_unicode=True)
    return text.encode()


async def whole(request: ApiRequest, status: int, body: bytes, media: str) -> Response:
    """A response whose body is all there, compressed for a client that asks for it when it is worth it."""
    headers: Any = _YAML_HEADERS if media == YAML else _JSON_HEADERS
    if not request.warnings and len(body) < _COMPRESS_FROM:
        return Response(status, headers, body)
    more = [("warning", warning_header(text)) for text in request.warnings]
    if len(body) >= _COMPRESS_FROM and "gzip" in (request.headers.get("accept-encoding") or ""):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        more += [("content-encoding", "gzip"), ("vary", "Accept-Encoding")]
    return Response(status, (*headers, *more) if more else headers, body)


def warning_header(text: str) -> str:
    """RFC 7234 warn-value with code 299; what cannot stand in a header is left out."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    clean = "".join(character if character.isprintable() else " " for character in escaped)
    return f'299 - "{clean}"'.encode().decode("latin-1")


async def error(request: ApiRequest, failure: ApiError, media: str) -> Response:
    body = dumps(failure.to_status())
    response = await whole(request, failure.code, to_yaml(body) if media == YAML else body, media)
    retry = failure.retry_after_s
    if retry and failure.code in (429, 503, 504):
        response.headers = (*response.headers, ("retry-after", str(int(retry))))
    return response


def raw(answer: RawResponse) -> Response:
    headers = [*answer.headers]
    if answer.content_type:
        headers.append(("content-type", answer.content_type))
    return Response(answer.status, headers, answer.body)


async def stream_bytes(http: Request, answer: StreamResponse) -> None:
    """Send pieces as they come until there are no more or the client has gone.

    The head waits a moment for the first piece: what fails at once (no such container, no previous one) is answered with its Status.
    """
    # An iterator that is not exhausted holds a file or a process: it is closed before the answer ends.
    chunks: Any = answer.chunks
    async with aclosing(chunks), begun(_next(chunks)) as first:
        await asyncio.wait([first], timeout=HEAD_DELAY_S)
        if first.done():
            first.result()
        stream = http.stream(200, (_CACHE, ("content-type", answer.content_type)))
        await while_open(stream, lambda: _copy(stream, first, chunks))
        await stream.finish()


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _copy(stream: Stream, first: asyncio.Future[bytes | None], chunks: AsyncIterator[bytes]) -> None:
    chunk = await first
    while chunk is not None:
        stream.write(chunk)
        await stream.drain()
        chunk = await anext(chunks, None)


async def while_open(stream: Stream, work: Callable[[], Any]) -> None:
    """Run the work until it ends or nobody reads the stream any more; raises Disconnected when the work gave the reader up."""
    gone: list[Disconnected] = []
    try:
        async with scope() as tasks:
            closed = tasks.spawn(stream.closed())
            running = tasks.spawn(work())
            await asyncio.wait((closed, running), return_when=asyncio.FIRST_COMPLETED)
            tasks.cancel()
    except* Disconnected as failures:
        gone.append(Disconnected(str(failures.exceptions[0])))
    if gone:
        raise gone[0]


async def open_session(http: Request, answer: Session) -> None:
    """Raises HandshakeRefused."""
    if http.upgrades_to(spdy.PROTOCOL):
        chosen = _stream_protocol(http.headers.tokens("x-stream-protocol-version"), answer.stream_protocols)
        await answer.run_streams(await http.upgrade(spdy.PROTOCOL, [("x-stream-protocol-version", chosen)]))
    else:
        await answer.run(await http.websocket(answer.protocols))


def _stream_protocol(offered: list[str], known: tuple[str, ...]) -> str:
    if not offered:
        raise HandshakeRefused("unable to upgrade: X-Stream-Protocol-Version is required")
    chosen = next((name for name in offered if name in known), None)
    if chosen is None:
        why = f"client supports [{' '.join(offered)}], server accepts [{' '.join(known)}]"
        accepted = [("x-accepted-stream-protocol-versions", name) for name in known]
        raise HandshakeRefused(f"unable to upgrade: unable to negotiate protocol: {why}", 403, accepted)
    return chosen
