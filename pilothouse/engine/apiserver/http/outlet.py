"""Answers over HTTP: each kind of answer in the representation that was negotiated, and errors as Status objects."""

import asyncio

from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, StreamResponse
from pilothouse.engine.apiserver.chain.routes import Answer
from pilothouse.engine.apiserver.http import respond, stream_watch
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache
from pilothouse.engine.apiserver.request.negotiate import Accepted, media_of_error
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.verbs.watch import Feed
from pilothouse.model.errors import ApiError
from pilothouse.wire.messages import Response


class HttpOutlet:
    """See `chain.stage.Outlet`. slots: for bodies that are written in a thread, so many at a time.

    Gives the response, None when it has been streamed or the connection has been taken over.
    """

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._frames: dict[str, FrameCache] = {}
        self._backlog = Backlog()
        self._slots = slots

    async def deliver(self, request: ApiRequest, answer: Answer, accepted: Accepted) -> Response | None:
        """Raises BadRequest, Disconnected, HandshakeRefused."""
        http, include = request.http, request.option("includeObject")
        assert http is not None, "an answer over HTTP is one to a request over HTTP"
        if isinstance(answer, ObjectResponse | ListResponse | DocumentResponse):
            body = await respond.encode(answer, accepted, include, self._slots)
            return await respond.whole(request, request.status, body, accepted.media)
        if isinstance(answer, RawResponse):
            return respond.raw(answer)
        if isinstance(answer, Feed):
            frames = self._frames.setdefault(answer.served.resource.path(), FrameCache())
            await stream_watch.serve(http, answer, accepted, include, frames, self._backlog)
        elif isinstance(answer, StreamResponse):
            await respond.stream_bytes(http, answer)
        elif isinstance(answer, Session):
            await respond.open_session(http, answer)
        return None

    async def refuse(self, request: ApiRequest, failure: ApiError) -> Response:
        return await respond.error(request, failure, media_of_error(request.accept))
