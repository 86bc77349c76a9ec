"""Answers over HTTP: the chosen representation, warnings, compression, and streams that end when they should."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import yaml

from pilothouse.aio.beside import Beside
from pilothouse.aio.tasks import begun, scope
from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, StreamResponse, Tunnel
from pilothouse.engine.apiserver.http import long_list, tables
from pilothouse.engine.apiserver.http.frames import list_bytes, list_metadata, list_start, object_bytes
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, YAML, Accepted
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.streaming.joining import join
from pilothouse.model import protobuf
from pilothouse.model.errors import ApiError, NotAcceptable
from pilothouse.model.json import Object, dumps, loads
from pilothouse.wire import spdy
from pilothouse.wire.messages import HandshakeRefused, Request, Response
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.stream import Stream

_CACHE = ("cache-control", "no-cache, private")
_HEADERS = {media: (_CACHE, ("content-type", media)) for media in (JSON, YAML, PROTOBUF)}
_COMPRESS_FROM = 128 * 1024
HEAD_DELAY_S = 0.3
_THREAD_FROM = 16 * 1024
_MOST_CONVERTED = 2 * 1024 * 1024
"""Of a list, as JSON, that is shown in another form: some seconds of a thread. The largest object fits."""
_ROWS = 256
_LINE_END = b"\n"
"""After JSON, as upstream's encoder writes it: clients put the texts of several errors together."""
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


async def encode(answer: ObjectResponse | ListResponse | DocumentResponse, accepted: Accepted, include: str, beside: Beside) -> bytes:
    """The body of an answer that is one JSON value; raises BadRequest for an unknown `includeObject`, NotAcceptable for too long a list.

    What takes long is done in slices, or beside the event loop.
    """
    convert = _CONVERTED.get(accepted.media)
    if convert is not None and isinstance(answer, ListResponse):
        _check_length(answer, accepted.media)
    body = await _json(answer, accepted, include)
    if convert is None:
        return body + _LINE_END
    return await beside.run(lambda: convert(body), is_large=len(body) >= _THREAD_FROM)


def _check_length(answer: ListResponse, media: str) -> None:
    """Raises NotAcceptable."""
    size_bytes = sum(len(record.raw) for record in answer.records)
    if size_bytes > _MOST_CONVERTED:
        text = f"a list of {size_bytes} bytes is too long to be shown as {media}: ask for JSON, or for a page of it (limit=)"
        raise NotAcceptable(text, details={})


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


async def send_list(request: ApiRequest, http: Request, answer: ListResponse, accepted: Accepted, include: str) -> None:
    """A long list as JSON, slice by slice, in the form that was asked for. Raises BadRequest, Disconnected."""
    warnings = tuple(("warning", warning_header(text)) for text in request.warnings)
    start, slices = _list_slices(answer, accepted, include)
    await long_list.send(request, http, (*_HEADERS[JSON], *warnings), start, slices)


def _list_slices(answer: ListResponse, accepted: Accepted, include: str) -> tuple[bytes, Iterator[bytes]]:
    served, records, version = answer.served, answer.records, accepted.version
    if not accepted.view:
        return list_start(answer), long_list.as_stored(answer)
    if accepted.view != "Table":
        whole = tables.partial_list(ListResponse(served, [], answer.revision, answer.resume, answer.remaining), version)
        return dumps(whole)[: -len("]}")], long_list.as_made(records, lambda record: dumps(tables.partial(record, version)))
    tables.check_include(include)
    now = datetime.now(UTC)
    whole = tables.table(served, [], list_metadata(answer), version, include, now) | {"rows": []}
    return dumps(whole)[: -len("]}")], long_list.as_made(records, lambda record: dumps(tables.row(served, record, version, include, now)))


def to_yaml(body: bytes) -> bytes:
    text: str = yaml.dump(loads(body), Dumper=_DUMPER, default_flow_style=False, allow_unicode=True)
    return text.encode()


def to_protobuf(body: bytes) -> bytes:
    return protobuf.encoded(loads(body))


_CONVERTED: Mapping[str, Callable[[bytes], bytes]] = {YAML: to_yaml, PROTOBUF: to_protobuf}


async def whole(request: ApiRequest, status: int, body: bytes, media: str) -> Response:
    """A response whose body is all there, compressed for a client that asks for it when it is worth it."""
    headers: Any = _HEADERS[media]
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
    convert = _CONVERTED.get(media)
    response = await whole(request, failure.code, body + _LINE_END if convert is None else convert(body), media)
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
    """Send pieces as they come until there are no more or the client has gone."""
    async with begun_pieces(answer.chunks) as pieces:
        own = (_CACHE, ("content-type", answer.content_type))
        stream = http.stream(answer.status, own if answer.headers is None else answer.headers, answer.length)
        await while_open(stream.closed(), lambda: _copy(stream, pieces))
        await stream.finish()


@asynccontextmanager
async def begun_pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """All pieces, once the first one has been waited for a moment: what fails at once (no such container, no previous one) is raised here,
    before a head is out, and answered with its Status.
    """
    # An iterator that is not exhausted holds a file or a process: it is closed before the answer ends.
    held: Any = chunks
    async with aclosing(held), begun(_next(chunks)) as first:
        await asyncio.wait([first], timeout=HEAD_DELAY_S)
        if first.done():
            first.result()
        async with aclosing(_all_pieces(first, chunks)) as pieces:
            yield pieces


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _all_pieces(first: asyncio.Future[bytes | None], chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Raises Disconnected for what fails once the head is out: only a body without its end tells of it."""
    try:
        chunk = await first
        while chunk is not None:
            yield chunk
            chunk = await anext(chunks, None)
    except ApiError as failure:
        raise Disconnected(f"the answer is cut short: {failure.message}") from failure


async def _copy(stream: Stream, pieces: AsyncIterator[bytes]) -> None:
    """Raises Disconnected when the reader goes."""
    async for piece in pieces:
        stream.write(piece)
        await stream.drain()


async def while_open(closed: Coroutine[Any, Any, None], work: Callable[[], Any]) -> None:
    """Run the work until it ends or the reader is gone, when `closed` returns; raises Disconnected when the work gave the reader up."""
    gone: list[Disconnected] = []
    try:
        async with scope() as tasks:
            gone_away = tasks.spawn(closed)
            running = tasks.spawn(work())
            await asyncio.wait((gone_away, running), return_when=asyncio.FIRST_COMPLETED)
            tasks.cancel()
    except* Disconnected as failures:
        gone.append(Disconnected(str(failures.exceptions[0])))
    if gone:
        raise gone[0]


async def open_session(http: Request, answer: Session) -> None:
    """Raises HandshakeRefused, Disconnected when the client has gone before the session had told it everything."""
    gone: list[Disconnected] = []
    try:
        await _open(http, answer)
    except* Disconnected as failures:
        gone.append(Disconnected(str(failures.exceptions[0])))
    if gone:
        raise gone[0]


async def _open(http: Request, answer: Session) -> None:
    if http.upgrades_to(spdy.PROTOCOL):
        chosen = _stream_protocol(http.headers.tokens("x-stream-protocol-version"), answer.stream_protocols)
        await answer.run_streams(await http.upgrade(spdy.PROTOCOL, [("x-stream-protocol-version", chosen)]))
    else:
        await answer.run(await http.websocket(answer.protocols))


async def open_tunnel(http: Request, answer: Tunnel) -> None:
    """Raises HandshakeRefused."""
    try:
        await join(await http.upgrade(answer.protocol, answer.headers), answer.pipe)
    finally:
        await answer.pipe.close()


def _stream_protocol(offered: list[str], known: tuple[str, ...]) -> str:
    if not offered:
        raise HandshakeRefused("unable to upgrade: X-Stream-Protocol-Version is required")
    chosen = next((name for name in offered if name in known), None)
    if chosen is None:
        why = f"client supports [{' '.join(offered)}], server accepts [{' '.join(known)}]"
        accepted = [("x-accepted-stream-protocol-versions", name) for name in known]
        raise HandshakeRefused(f"unable to upgrade: unable to negotiate protocol: {why}", 403, accepted)
    return chosen
