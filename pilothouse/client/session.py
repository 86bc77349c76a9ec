"""The channels of an exec or attach session: standard streams, terminal sizes and the exit code over one WebSocket.

Each message is one byte that names the channel, then its data.
Source: Kubernetes KEP-4006 (v5.channel.k8s.io: as v4, and channel 255 closes a stream).
"""

from typing import NamedTuple

from pilothouse.client.transport import Socket
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps, loads

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK_BYTES = 32 * 1024


class Output(NamedTuple):
    """channel: STDOUT or STDERR."""

    channel: int
    data: bytes


class Session:
    """Read with `receive` until it returns None; then `exit_code` says how the command ended."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.status: Object | None = None

    async def send(self, data: bytes) -> None:
        """To the command's standard input."""
        for start in range(0, len(data), CHUNK_BYTES):
            await self._socket.send(bytes((STDIN,)) + data[start : start + CHUNK_BYTES])

    async def close_stdin(self) -> None:
        """End of input. Only v5 can say so; with v4 the command does not learn of it."""
        if self._socket.subprotocol.startswith("v5."):
            await self._socket.send(bytes((CLOSE, STDIN)))

    async def resize(self, columns: int, rows: int) -> None:
        await self._socket.send(bytes((RESIZE,)) + dumps({"Width": columns, "Height": rows}))

    async def receive(self) -> Output | None:
        """The next output; None when the session is over."""
        while (message := await self._socket.receive()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel == ERROR:
                self.status = loads(data)
            elif channel in (STDOUT, STDERR) and data:
                return Output(channel, data)
        return None

    @property
    def exit_code(self) -> int:
        """Of the command, once `receive` has returned None. Raises ApiError when it could not be run or the session broke."""
        if self.status is None:
            raise ApiError("the session ended without saying how the command ended")
        if self.status.get("status") == "Success":
            return 0
        for cause in (self.status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
        raise ApiError.from_status(self.status)
