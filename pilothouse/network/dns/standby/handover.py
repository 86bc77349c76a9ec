"""The server's side of the standby: takes over what an earlier one has, starts one of its own, and tells it what it answers."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.identity import Identity
from pilothouse.aio.tasks import is_set
from pilothouse.network.dns.answers import AnswerCache, News
from pilothouse.network.dns.standby import program

log = structlog.get_logger("network.dns")
ANSWERS_S = 60.0
"""How long a standby answers without a server: a start of the machine's slowest disk, and no longer."""
TELL_S = 0.02
"""Changes of so long are told together: a standby gives no answer that was wrong for longer when the server ended."""
LOOK_S = 1.0
"""How often a standby that is told nothing is asked whether it is there."""
PATIENCE_S = 10.0
_SILENT = f"it has taken nothing for {PATIENCE_S:g} s"
RESTART_S = (0.2, 60.0)
"""Between two starts of a standby that ends at once: the first, and the longest."""
_MOST_SOCKETS = 8
_MOST_HEAD_BYTES = 4096
Held = tuple[str, str]
"""Kind (udp, tcp) and address of a socket."""


@dataclass(slots=True)
class Taken:
    """sockets: by kind and address; the owner closes them. waiting: questions that nobody has answered.

    known: keys (`answers.key_of`) to which there was an answer. earlier: to the standby that had them, which is still until
    this end is closed.
    """

    sockets: dict[Held, socket.socket] = field(default_factory=dict)
    waiting: list[tuple[Held, bytes, tuple[object, ...]]] = field(default_factory=list)
    known: list[bytes] = field(default_factory=list)
    earlier: socket.socket | None = None

    def close(self) -> None:
        for each in (*self.sockets.values(), *((self.earlier,) if self.earlier else ())):
            each.close()


def take_over(path: Path) -> Taken:
    """What the standby of an earlier server has; nothing when there is none. One that makes no sense is ended. Blocks."""
    try:
        return _taken(path)
    except (OSError, ValueError, EOFError, TypeError, LookupError) as error:
        if not isinstance(error, FileNotFoundError | ConnectionRefusedError):
            log.warning("the sockets of an earlier DNS server are not taken over", why=str(error))
        end(path)
        return Taken()


def _taken(path: Path) -> Taken:
    found = Taken(earlier=socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    try:
        assert found.earlier is not None
        found.earlier.settimeout(2)
        found.earlier.connect(str(path))
        _read(found.earlier, found)
    except BaseException:
        found.close()
        raise
    return found


def _read(caller: socket.socket, found: Taken) -> None:
    head, numbers, _, _ = socket.recv_fds(caller, _MOST_HEAD_BYTES, _MOST_SOCKETS)
    unnamed = [socket.socket(fileno=number) for number in numbers]
    try:
        line, _, rest = head.partition(b"\n")
        said = json.loads(line)
        names: list[Held] = [(kind, address) for kind, address in said["sockets"]]
        found.sockets = dict(zip(names, unnamed, strict=True))
    except BaseException:
        for each in unnamed:
            each.close()
        raise
    # One of an earlier version has no word of what it knows.
    while len(rest) < said["waiting"] + said.get("known", 0):
        if not (more := caller.recv(1 << 16)):
            raise EOFError("it ended meanwhile")
        rest += more
    waiting = json.loads(rest[: said["waiting"]])
    found.waiting = [(names[at], question.encode("latin-1"), tuple(asker)) for at, question, asker in waiting]
    found.known = list(_keys(rest[said["waiting"] :]))


def _keys(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        yield data[start:at]


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
    """The server's own standby. path: of the socket by which the next server takes over. answers: which it is told.

    prepared: set when they are as complete as those of the earlier standby. earlier: to that one, which stays until this one is there;
    owned by this object. Whoever makes it runs `run`; the standby lives on after that, and answers from then on.
    """

    def __init__(
        self,
        path: Path,
        sockets: Sequence[tuple[socket.socket, Held]],
        answers: AnswerCache,
        prepared: asyncio.Event,
        earlier: socket.socket | None = None,
    ) -> None:
        self._path = path
        self._prepared = prepared
        self._earlier = earlier
        self._sockets = sockets
        self._answers = answers

    async def run(self) -> None:
        """Until cancelled. A standby that is gone, or that takes nothing for PATIENCE_S, is replaced; names are answered meanwhile."""
        backoff = Backoff(RESTART_S[0], cap_s=RESTART_S[1])
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                try:
                    with await self._started() as door:
                        await self._keep(door)
                except OSError as error:
                    log.warning("the standby of the DNS server is started again", why=str(error))
                if loop.time() - began > RESTART_S[1]:
                    backoff.reset()
                await asyncio.sleep(backoff.next_s())
        finally:
            self._end_earlier()

    async def _keep(self, door: socket.socket) -> None:
        """Until it is gone. Raises OSError."""
        try:
            await self._tell(door)
        except OSError:
            # Before its door is closed, by which it would learn that the server has ended, and begin to answer.
            await asyncio.to_thread(end, self._path)
            raise

    async def _started(self) -> socket.socket:
        """Our end of what it is told by. Raises OSError."""
        # In a thread: on a busy machine a new process takes longer to begin than a question may wait. With sockets of its own, for those of
        # the server may be closed meanwhile.
        starting = asyncio.ensure_future(asyncio.to_thread(self._start, [(each.dup(), name) for each, name in self._sockets]))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(OSError):
                (await starting).close()
            raise

    def _start(self, sockets: Sequence[tuple[socket.socket, Held]]) -> socket.socket:
        """sockets: are closed here. Blocks."""
        with ExitStack() as held:
            for each, _ in sockets:
                held.enter_context(each)
            return self._spawn(sockets)

    def _spawn(self, sockets: Sequence[tuple[socket.socket, Held]]) -> socket.socket:
        numbers = [each.fileno() for each, _ in sockets]
        spec = {"sockets": [[each.fileno(), *name] for each, name in sockets], "seconds": ANSWERS_S}
        command = [sys.executable, "-I", "-S", program.__file__, str(self._path), json.dumps(spec)]
        # Our end is closed in all others that this process starts, so its end is the end of this process.
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=numbers,
                    start_new_session=True,
                    cwd="/",
                )
            Identity.of(process.pid).save(_pid(self._path))
            # It lives on, and is nobody's child any more as far as this object goes; `end` looks after it.
            process.returncode = 0
            ours.setblocking(False)
        except BaseException:
            ours.close()
            raise
        return ours

    def _end_earlier(self) -> None:
        if self._earlier is not None:
            self._earlier.close()
            self._earlier = None

    async def _tell(self, door: socket.socket) -> None:
        """Raises OSError when it does not take what it is told."""
        loop = asyncio.get_running_loop()
        self._answers.tell_all()
        heard, is_complete = loop.time(), False
        while True:
            may_be_complete = self._prepared.is_set()
            news = _written(self._answers.news())
            is_a_part = self._answers.has_news.is_set()
            if may_be_complete and not is_a_part and not is_complete:
                is_complete = True
                news += program.HEAD.pack(program.COMPLETE, 0, 0)
            await _send(door, news)
            # What it says is not waited for: what lies in the socket reaches it, whatever becomes of this process.
            with suppress(BlockingIOError):
                said = door.recv(1 << 12)
                if not said:
                    raise OSError("it has ended")
                heard = loop.time()
                if program.HAS_PLACE in said:
                    self._end_earlier()
            if loop.time() - heard > PATIENCE_S:
                raise OSError(_SILENT)
            if not is_complete or self._earlier is not None or (not is_a_part and await is_set(self._answers.has_news, LOOK_S)):
                await asyncio.sleep(TELL_S)


async def _send(door: socket.socket, data: bytes) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(door, data)
    except TimeoutError as error:
        raise OSError(_SILENT) from error


def _written(news: News) -> bytes:
    """As the standby reads it; at the end it is asked to say that it has."""
    head = program.HEAD.pack
    parts = [head(program.ALL_GONE, 0, 0)] if news.is_all_forgotten else []
    for key, answer in news.answers.items():
        if answer is None:
            parts += (head(program.GONE, len(key), 0), key)
        else:
            parts += (head(program.KNOWN, len(key), len(answer)), key, answer)
    return b"".join((*parts, head(program.TAKEN, 0, 0)))
