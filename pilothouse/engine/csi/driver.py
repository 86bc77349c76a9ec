"""A client of one storage driver's socket: questions with a deadline, refusals as sentences.

Nothing is tried again here: the caller knows what may be repeated and how long that has use.
Requests may carry secrets, so neither requests nor answers are logged.
"""

import asyncio
import os
from pathlib import Path

from google.protobuf.message import Message

from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.csi.methods import CALL_S, A, Method, Q
from pilothouse.engine.rpc import CallError, open_channel

MOST_WORDS = 1024
PATH_BYTES = 108
"""What the address of a unix socket has room for, with the zero at its end. Source: unix(7)."""

__all__ = ["CALL_S", "CsiFailure", "Driver"]


class Driver:
    """A driver behind a unix socket. Made inside a running event loop and closed by its owner. name: for what is said of it."""

    def __init__(self, name: str, socket: Path) -> None:
        self.name = name
        self.socket = socket
        self._is_closed = False
        self._folder = _folder_of(socket)
        self._channel = open_channel(f"unix://{socket}" if self._folder < 0 else f"unix:///proc/self/fd/{self._folder}/{socket.name}")

    async def call(self, method: Method[Q, A], request: Q, timeout_s: float = CALL_S) -> A:
        """The driver's answer. Raises CsiFailure: DEADLINE_EXCEEDED after timeout_s, UNAVAILABLE when nobody listens at the socket.

        UNAVAILABLE, too, when this client is closed before the answer: the driver may still be at work.
        """
        if self._is_closed:
            raise self._closed(method.name)
        ask = self._channel.unary_unary(method.path, _bytes, method.answer.FromString)
        try:
            answer: A = await ask(request, timeout=timeout_s)
        except CallError as error:
            raise self._failure(method.name, error, timeout_s) from error
        except asyncio.CancelledError:
            # gRPC says a closed channel so, too: nobody has cancelled the caller, who has to hear of a failure instead.
            if self._is_closed and not _is_cancelled():
                raise self._closed(method.name) from None
            raise
        return answer

    def _failure(self, method: str, error: CallError, timeout_s: float) -> CsiFailure:
        code = str(error.code().name)
        why = " ".join((error.details() or "").split())[:MOST_WORDS]
        if code == "DEADLINE_EXCEEDED":
            why = f"no answer within {timeout_s:g} seconds"
        elif code == "UNAVAILABLE":
            why = f"nobody answers at {self.socket}: {why}"
        return CsiFailure(self.name, method, why, code)

    def _closed(self, method: str) -> CsiFailure:
        return CsiFailure(self.name, method, f"its registration at this node ended: {self.socket} is not asked any more", "UNAVAILABLE")

    async def close(self) -> None:
        self._is_closed = True
        await self._channel.close()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def _is_cancelled() -> bool:
    """Whether somebody has asked for the end of the task that runs this."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _folder_of(socket: Path) -> int:
    """An open descriptor of the socket's folder, by which a path is short that the kernel would not take; -1 where it takes it as it is."""
    if len(os.fsencode(socket)) < PATH_BYTES:
        return -1
    try:
        return os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
