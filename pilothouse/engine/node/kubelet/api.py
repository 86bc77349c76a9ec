"""The kubelet API: each request is authenticated, authorized, and then served as a page or as a session with a container.

    GET  /healthz /pods /runningpods/ /stats/summary /metrics /metrics/{resource,cadvisor,probes} /configz
    GET  /containerLogs/NAMESPACE/POD/CONTAINER
    POST or GET /exec, /attach /NAMESPACE/POD[/UID]/CONTAINER, /portForward/NAMESPACE/POD[/UID];  POST /run/NAMESPACE/POD[/UID]/CONTAINER
    PUT or DELETE /volumes/NAME, POST /csi/DRIVER/METHOD, which upstream does not have

Sessions speak SPDY, or a WebSocket's channels. They need `create` even when they begin with a GET, as WebSockets do: upstream lets every
reader of `nodes/proxy` start programs. Errors are plain text, as upstream's kubelet has them.
Source: kubernetes pkg/kubelet/server/server.go.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import structlog

from pilothouse.engine.node.kubelet import sessions
from pilothouse.engine.node.kubelet.callers import Callers
from pilothouse.engine.node.kubelet.host import Host
from pilothouse.engine.node.kubelet.pages import TEXT, Asked, page_of
from pilothouse.engine.node.kubelet.rights import subresources, verb
from pilothouse.engine.node.streams.server import Served
from pilothouse.model.errors import ApiError, Forbidden, Unauthorized, Unavailable
from pilothouse.model.json import Object
from pilothouse.wire.messages import Request, Response

log = structlog.get_logger("node.kubelet")

_DISABLED = {"logs": b"logs endpoint is disabled.\n", "debug": b"profiling and flags endpoints are disabled.\n"}
"""By the first word of the path."""


class KubeletApi:
    """host: None while no agent runs. configuration: what /configz shows.

    served: by the first word of the path, who answers what upstream's kubelet does not know.
    """

    def __init__(self, callers: Callers, configuration: Object, served: Mapping[str, Served] | None = None) -> None:
        self._served = served or {}
        self.host: Host | None = None
        self._callers = callers
        self._configuration = configuration

    async def handle(self, request: Request) -> Response | None:
        try:
            return await self._answer(request)
        except ApiError as error:
            return Response(error.code, TEXT, (error.message.rstrip("\n") + "\n").encode())

    async def _answer(self, request: Request) -> Response | None:
        words = [unquote(word) for word in request.path.split("/")[1:]]
        await self._admit(request, words)
        # What is served is what was authorized: one reading of the path for both.
        if disabled := _DISABLED.get(words[0]):
            return Response(405, TEXT, disabled)
        if words[0] in self._served:
            return await self._served[words[0]](request, words)
        page = page_of(words)
        if page is None and words[0] not in sessions.VERBS:
            return Response(404, TEXT, b"404 page not found\n")
        methods = ("GET",) if page is not None else sessions.VERBS[words[0]].methods
        if request.method not in methods:
            return Response(405, (*TEXT, ("allow", ", ".join(methods))), b"405: Method Not Allowed\n")
        if self.host is None:
            raise Unavailable("the node's agent is not running; it is starting, or has failed (ph status)")
        if page is not None:
            return await page(Asked(self.host, request, self._configuration))
        return await sessions.serve(self.host, request, words)

    async def _admit(self, request: Request, words: list[str]) -> None:
        """Raises ApiError."""
        try:
            caller = await self._callers.authenticate(request)
        except Unauthorized:
            raise
        except ApiError as error:
            log.warning("a caller could not be authenticated", why=error.message)
            raise
        wanted, possible = "create" if sessions.is_session(words) else verb(request.method), subresources(words)
        for subresource in possible:
            if wanted and await self._callers.may(caller, wanted, subresource):
                return
        shown = f"user={caller.name}, verb={wanted}, resource=nodes, subresource(s)=[{' '.join(possible)}]"
        raise Forbidden(f"Forbidden ({shown})")
