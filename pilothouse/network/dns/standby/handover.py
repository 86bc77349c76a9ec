"""The server's side of the standby: takes over what an earlier one has, starts one of its own, and tells it what it answers."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import structlog

from pilothouse.aio.identity import Identity
from pilothouse.network.dns.standby import program

log = structlog.get_logger("network.dns")
ANSWERS_S = 60.0
"""How long a standby answers without a server: a start of the machine's slowest disk, and no longer."""
TELL_S = 0.2
_MOST_SOCKETS = 8
_MOST_HEAD_BYTES = 4096
Held = tuple[str, str]
"""Kind (udp, tcp) and address of a socket."""
News = Callable[[], tuple[bool, dict[bytes, bytes | None]] | None]


@dataclass(slots=True)
class Taken:
    """sockets: by kind and address; the owner closes them. waiting: questions that nobody has answered."""

    sockets: dict[Held, socket.socket]
    waiting: list[tuple[Held, bytes, tuple[object, ...]]]

    def close(self) -> None:
        for each in self.sockets.values():
            each.close()


def take_over(path: Path) -> Taken:
    """What the standby of an earlier server has; nothing when there is none.

    That standby is gone afterwards, whatever it has said. Blocks.
    """
    try:
        return _taken(path)
    except (OSError, ValueError, EOFError, TypeError) as error:
        if not isinstance(error, FileNotFoundError | ConnectionRefusedError):
            log.warning("the sockets of an earlier DNS server are not taken over", why=str(error))
        return Taken({}, [])
    finally:
        end(path)


def _taken(path: Path) -> Taken:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(2)
        caller.connect(str(path))
        head, numbers, _, _ = socket.recv_fds(caller, _MOST_HEAD_BYTES, _MOST_SOCKETS)
        sockets = [socket.socket(fileno=number) for number in numbers]
        try:
            line, _, rest = head.partition(b"\n")
            said = json.loads(line)
            while len(rest) < said["waiting"]:
                if not (more := caller.recv(1 << 16)):
                    raise EOFError("it ended meanwhile")
                rest += more
            names: list[Held] = [(kind, address) for kind, address in said["sockets"]]
            waiting = [(names[at], question.encode("latin-1"), tuple(asker)) for at, question, asker in json.loads(rest)]
            found = Taken(dict(zip(names, sockets, strict=True)), waiting)
            caller.sendall(b"+")
        except BaseException:
            for each in sockets:
                each.close()
            raise
    return found


def end(path: Path) -> None:
    """Ends the standby, if there is one. Blocks."""
    known = Identity.load(_pid(path))
    if known is not None:
        known.signal(SIGKILL)
        # Where it is a child of this process, looking at it takes it out of the list of processes.
        for _ in range(100):
            if not known.alive():
                break
            time.sleep(0.01)
    for each in (path, _pid(path)):
        each.unlink(missing_ok=True)


def _pid(path: Path) -> Path:
    return path.with_suffix(".pid")


class Keeper:
    """The server's own standby. path: of the socket by which the next server takes over. news: what has changed since it was asked last.

    Whoever makes it runs `run`; the standby lives on after that, and answers from then on.
    """

    def __init__(self, path: Path, sockets: Sequence[tuple[socket.socket, Held]], news: News) -> None:
        self._path = path
        self._sockets = sockets
        self._news = news

    async def run(self) -> None:
        """Until cancelled, or until the standby is gone: names are answered without one."""
        process = self._start()
        try:
            await self._tell(process)
        except OSError as error:
            log.warning("the standby of the DNS server has ended", why=str(error))
        finally:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            # It lives on, and is nobody's child any more as far as this object goes.
            process.returncode = 0

    def _start(self) -> "subprocess.Popen[bytes]":
        numbers = [each.fileno() for each, _ in self._sockets]
        spec = {"sockets": [[each.fileno(), *name] for each, name in self._sockets], "seconds": ANSWERS_S}
        command = [sys.executable, "-I", "-S", program.__file__, str(self._path), json.dumps(spec)]
        # Its pipe is closed in all others that this process starts, so its end is the end of this process.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=numbers,
            start_new_session=True,
            cwd="/",
        )
        Identity.of(process.pid).save(_pid(self._path))
        return process

    async def _tell(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        while True:
            if process.poll() is not None:
                raise OSError(f"exit status {process.returncode}")
            found = self._news()
            if found is not None:
                is_all_forgotten, news = found
                texts = {key.decode("latin-1"): None if answer is None else answer.decode("latin-1") for key, answer in news.items()}
                body = json.dumps([is_all_forgotten, texts]).encode()
                await asyncio.to_thread(_write, process.stdin.fileno(), struct.pack("!I", len(body)) + body)
            await asyncio.sleep(TELL_S)


def _write(number: int, data: bytes) -> None:

    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
