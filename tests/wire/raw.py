"""A client that sends exactly the bytes it is told to, and reads answers with h11."""

import asyncio
from dataclasses import dataclass, field

import h11

WAIT_S = 5.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    interim: list[int] = field(default_factory=list)


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._rest = b""

    @classmethod
    async def connect(cls, port: int) -> "RawClient":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def get(self, target: str = "/", *headers: str, method: str = "GET") -> None:
        lines = "".join(f"{line}\r\n" for line in ("Host: test", *headers))
        self.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())

    def half_close(self) -> None:
        self.writer.write_eof()

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole."""
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._answer(method)
        except h11.RemoteProtocolError as error:
            raise ConnectionError("the connection ended within an answer") from error

    async def _answer(self, method: str) -> Answer:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "test")]))
        parser.send(h11.EndOfMessage())
        if self._rest:
            parser.receive_data(self._rest)
        answer = Answer(0, {})
        body = bytearray()
        interim: list[int] = []
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await self.reader.read(1 << 20))
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                answer = Answer(event.status_code, {k.decode(): v.decode("latin-1") for k, v in event.headers}, b"", interim)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._rest = parser.trailing_data[0]
                answer.body = bytes(body)
                return answer
            else:
                raise ConnectionError(f"unexpected {event!r}")

    async def read_until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(mark)

    async def ended(self) -> bytes:
        """What is left until the server closes the connection."""
        async with asyncio.timeout(WAIT_S):
            return self._rest + await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(WAIT_S):
                await self.writer.wait_closed()
        except ConnectionError:
            pass
