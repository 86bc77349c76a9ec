"""Answers over HTTP: each kind of answer in the representation that was negotiated, and errors as Status objects."""

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.answer import DocumentResponse, ListResponse, ObjectResponse, RawResponse, Session, StreamResponse, Tunnel
from pilothouse.engine.apiserver.chain.routes import Answer
from pilothouse.engine.apiserver.http import long_list, messages, respond, stream_watch
from pilothouse.engine.apiserver.http.backlog import Backlog
from pilothouse.engine.apiserver.http.frames import FrameCache, json_frame, protobuf_frame
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, Accepted, media_of_error
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.verbs.watch import Feed
from pilothouse.model.errors import ApiError
from pilothouse.wire.messages import Response


class HttpOutlet:
    """See `chain.stage.Outlet`. beside: for bodies that take long to be written.

    Gives the response, None when it has been streamed or the connection has been taken over.
    """

    def __init__(self, beside: Beside) -> None:
        self._frames: dict[tuple[str, str], FrameCache] = {}
        self._backlog = Backlog()
        self._beside = beside

    async def deliver(self, request: ApiRequest, answer: Answer, accepted: Accepted) -> Response | None:
        """Raises BadRequest, Disconnected, HandshakeRefused."""
        http, include = request.http, request.option("includeObject")
        assert http is not None, "an answer over HTTP is one to a request over HTTP"
        if isinstance(answer, ListResponse) and accepted.media == JSON and long_list.is_long(answer):
            await respond.send_list(request, http, answer, accepted, include)
        elif isinstance(answer, ObjectResponse | ListResponse | DocumentResponse):
            body = await respond.encode(answer, accepted, include, self._beside)
            return await respond.whole(request, request.status, body, accepted.media)
        elif isinstance(answer, RawResponse):
            return respond.raw(answer)
        elif isinstance(answer, Feed):
            framed = protobuf_frame if accepted.media == PROTOBUF else json_frame
            frames = self._frames.setdefault((answer.served.resource.path(), accepted.media), FrameCache(framed))
            await stream_watch.serve(http, answer, accepted, include, frames, self._backlog, request)
        elif isinstance(answer, StreamResponse):
            is_for_socket = answer.as_messages and http.upgrades_to(messages.WEBSOCKET)
            await (messages.send if is_for_socket else respond.stream_bytes)(http, answer)
        elif isinstance(answer, Session):
            await respond.open_session(http, answer)
        elif isinstance(answer, Tunnel):
            await respond.open_tunnel(http, answer)
        return None

    async def refuse(self, request: ApiRequest, failure: ApiError) -> Response:
        return await respond.error(request, failure, media_of_error(request.accept))
