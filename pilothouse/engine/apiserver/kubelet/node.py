"""A node of another machine as a `NodeConnector`: sessions and logs of its pods by its kubelet API, over TLS."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from urllib.parse import urlencode

from pilothouse.engine.apiserver.kubelet.connector import ForwardedPort, streamed
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.queries import failure, log_query, named_target, target, wanted_streams
from pilothouse.engine.apiserver.nodes import LogOptions, PortStream
from pilothouse.engine.streaming import upgrade
from pilothouse.engine.streaming.sessions import StreamSession, open_session
from pilothouse.engine.streaming.upgrade import BytePipe
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.wire.spdy import PROTOCOL


class KubeletNode:
    """find: the Node as it is now, None when there is none of that name."""

    def __init__(self, name: str, find: Callable[[], Object | None], proxy: KubeletProxy) -> None:
        self._name = name
        self._find = find
        self._proxy = proxy

    async def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        reader, writer, authority = await self._proxy.connect(self._node())
        wanted = f"{named_target('containerLogs', pod, container)}?{log_query(options)}"
        try:
            async with aclosing(streamed(reader, writer, wanted, authority)) as pieces:
                async for piece in pieces:
                    yield piece
        except (OSError, EOFError) as error:
            raise Unavailable(f"node {self._name} does not answer: {str(error) or 'it took too long'}") from error

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> StreamSession:
        streams = wanted_streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        query = urlencode([*(("command", word) for word in command), *streams])
        pipe = await self._open(f"{target('exec', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> StreamSession:
        query = urlencode(wanted_streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty))
        pipe = await self._open(f"{target('attach', pod, container)}?{query}")
        return await open_session(pipe, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

    async def connect(self, pod: Object, port: int) -> PortStream:
        return ForwardedPort(await self._open(target("portForward", pod)), port)

    async def _open(self, asked: str) -> BytePipe:
        reader, writer, authority = await self._proxy.connect(self._node())
        try:
            return await upgrade.over(reader, writer, authority, asked, PROTOCOL)
        except upgrade.Refused as error:
            if error.status is None and error.code:
                raise failure(error.code, error.said) from error
            raise error.status or Unavailable(f"node {self._name}: {error}") from error

    def _node(self) -> Object:
        node = self._find()
        if node is None:
            raise Unavailable(f"there is no node {self._name}: the pod is about to be removed")
        return node
