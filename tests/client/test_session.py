import pytest

from pilothouse.client.session import CHUNK_BYTES, STDERR, STDOUT, Output, Session
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object, dumps


class FakeSocket:
    def __init__(self, *messages: bytes, subprotocol: str = "v5.channel.k8s.io") -> None:
        self.subprotocol = subprotocol
        self.sent: list[bytes] = []
        self._messages = list(messages)

    async def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def receive(self) -> bytes | None:
        return self._messages.pop(0) if self._messages else None

    async def close(self) -> None:
        pass


def status(**fields: object) -> bytes:
    return b"\x03" + dumps({"kind": "Status", "status": "Failure"} | fields)


async def ended(*messages: bytes) -> Session:
    session = Session(FakeSocket(*messages))
    while await session.receive() is not None:
        pass
    return session


async def test_output_comes_with_its_channel_and_without_empty_messages() -> None:
    session = Session(FakeSocket(b"\x01out", b"\x01", b"\x02err", b"", status(status="Success")))
    assert [await session.receive() for _ in range(3)] == [Output(STDOUT, b"out"), Output(STDERR, b"err"), None]
    assert session.exit_code == 0


async def test_the_exit_code_of_the_command_is_told() -> None:
    details: Object = {"causes": [{"reason": "ExitCode", "message": "42"}]}
    assert (await ended(status(reason="NonZeroExitCode", details=details))).exit_code == 42


async def test_a_command_that_could_not_run_raises_why() -> None:
    session = await ended(status(reason="BadRequest", message="no such command", code=400))
    with pytest.raises(BadRequest, match="no such command"):
        _ = session.exit_code


async def test_a_session_that_breaks_off_has_no_exit_code() -> None:
    session = await ended(b"\x01out")
    with pytest.raises(ApiError, match="ended without saying"):
        _ = session.exit_code


async def test_input_is_sent_in_pieces_and_closed() -> None:
    socket = FakeSocket()
    session = Session(socket)
    await session.send(b"x" * (CHUNK_BYTES + 1))
    await session.close_stdin()
    await session.resize(80, 24)
    assert [len(message) for message in socket.sent[:2]] == [CHUNK_BYTES + 1, 2]
    assert socket.sent[2:] == [b"\xff\x00", b'\x04{"Width":80,"Height":24}']


async def test_the_older_protocol_cannot_close_input() -> None:
    socket = FakeSocket(subprotocol="v4.channel.k8s.io")
    await Session(socket).close_stdin()
    assert socket.sent == []
