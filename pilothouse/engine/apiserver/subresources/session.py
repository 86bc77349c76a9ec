"""pods/exec and pods/attach: a process in a container, its streams over a WebSocket or over SPDY."""

from collections.abc import Awaitable, Callable, Mapping

from pilothouse.client.transport import Socket
from pilothouse.engine.apiserver.answer import Session
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import ExecSession
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.subresources import container, processes
from pilothouse.engine.streaming import channels
from pilothouse.model.errors import BadRequest
from pilothouse.wire.spdy import Pipe


def check_create(backend: Backend, request: ApiRequest) -> None:
    """A WebSocket begins with a GET, but starting a process is no reading: `create` is what a user needs. Raises Forbidden."""
    if request.verb != "create":
        target = request.target
        asked = Attributes(request.user, "create", target.namespace, "", target.resource, target.subresource, target.name)
        backend.authorizer.check(asked)


async def execute(backend: Backend, request: ApiRequest, served: ServedResource) -> Session:
    check_create(backend, request)
    pod = container.pod_of(backend, request, served)
    command = request.query.get("command") or []
    if not command:
        raise BadRequest("you must specify at least one command for the container")
    name = container.choose(pod, request.option("container"))
    container.check_running(pod)
    nodes = container.connector(backend, pod)
    wanted = _streams(request)
    return _session(wanted, lambda: nodes.exec(pod, name, command, **wanted))


async def attach(backend: Backend, request: ApiRequest, served: ServedResource) -> Session:
    check_create(backend, request)
    pod = container.pod_of(backend, request, served)
    name = container.choose(pod, request.option("container"))
    container.check_running(pod)
    nodes = container.connector(backend, pod)
    wanted = _streams(request)
    return _session(wanted, lambda: nodes.attach(pod, name, **wanted))


def _session(wanted: Mapping[str, bool], start: Callable[[], Awaitable[ExecSession]]) -> Session:
    async def run(socket: Socket) -> None:
        await channels.run(socket, start())

    async def run_streams(pipe: Pipe) -> None:
        await processes.serve(pipe, wanted, start)

    return Session(channels.PROTOCOLS, run, channels.STREAM_PROTOCOLS, run_streams)


def _streams(request: ApiRequest) -> dict[str, bool]:
    """Raises BadRequest when no stream at all is asked for."""
    wanted = {stream: queries.boolean(request.query, stream) for stream in ("stdin", "stdout", "stderr", "tty")}
    if not (wanted["stdin"] or wanted["stdout"] or wanted["stderr"]):
        raise BadRequest("you must specify at least one of stdin, stdout, stderr")
    if wanted["tty"]:
        wanted["stderr"] = False
    return wanted
