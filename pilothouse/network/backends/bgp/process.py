"""A BIRD of a node's own: its folder, its configuration, and how it is started, found again and ended.

What it reads and writes lies below /run, where its unprivileged user reaches it whatever folder the instance is in; all of it is made anew
from the API. It outlives the process that has started it. Its routes in the kernel outlive it, and a BIRD that is started again leaves
these as they are until it has heard its neighbours (RFC 4724).
"""

import asyncio
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path

import structlog

from pilothouse.aio.child import Child
from pilothouse.aio.identity import Identity, wait_gone
from pilothouse.network.backends.bgp.control import ControlFailure, ask
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.seam import BackendFailure

log = structlog.get_logger("network.bgp")
RUN = Path("/run/pilothouse")
PROGRAM, USER = "bird", "bird"
SEARCHED = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
START_S, END_S = 5.0, 5.0
LOG_BYTES = 1 << 20


def folder_of(config: BackendConfig) -> Path:
    """Of one node, whichever instance of the machine it belongs to."""
    return RUN / f"bird-{config.instance}-{hashlib.sha256(str(config.state).encode()).hexdigest()[:8]}"


class Bird:
    """Not to be used by two at a time."""

    def __init__(self, config: BackendConfig) -> None:
        folder = self._folder = folder_of(config)
        self.socket = folder / "control"
        self._config = folder / "bird.conf"
        self._pid = config.state / "bird.pid"
        self._said = config.state / "bird.output"

    def running(self) -> Identity | None:
        """The one that an earlier process has started, too."""
        known = Identity.load(self._pid)
        if known is not None and known.alive():
            return known
        return self._listening()

    async def start(self, text: str, *, recovers: bool) -> Identity:
        """recovers: the kernel has routes of a BIRD before, which stay until the neighbours have been heard. Raises BackendFailure."""
        program = shutil.which(PROGRAM, path=SEARCHED)
        if program is None:
            raise BackendFailure("this node has no BIRD: install Debian's package bird2")
        await asyncio.to_thread(self._prepare, text)
        words: list[str | Path] = [program, "-f", "-c", self._config, "-s", self.socket, *(["-R"] if recovers else []), *self._user()]
        child = await Child.start(words, log=self._said)
        identity = Identity.of(child.pid)
        identity.save(self._pid)
        try:
            async with asyncio.timeout(START_S):
                while not await self.answers():
                    if child.returncode is not None:
                        raise BackendFailure(f"BIRD has ended as it began: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise BackendFailure(f"BIRD does not answer {START_S:g} s after its start: {self._last_words()}") from error
        finally:
            child.detach()
        log.info("BIRD started", pid=identity.pid, recovers=recovers)
        return identity

    async def answers(self) -> bool:
        try:
            await ask(self.socket, "show status", timeout_s=2)
        except ControlFailure:
            return False
        return True

    def has(self, text: str) -> bool:
        """Whether that is what its file has. Blocks."""
        try:
            return self._config.read_text() == text
        except OSError:
            return False

    async def configure(self, text: str) -> None:
        """Sessions that stay as they are do not notice. Raises BackendFailure with BIRD's words; it goes on with what it had."""
        before = await asyncio.to_thread(self._exchange, text)
        try:
            await ask(self.socket, "configure")
        except ControlFailure as failure:
            if before is not None:
                await asyncio.to_thread(self._write, before)
            raise BackendFailure(f"BIRD does not take its configuration: {_short(str(failure))}") from failure

    async def command(self, text: str) -> list[str]:
        """Raises ControlFailure."""
        return await ask(self.socket, text)

    async def end(self) -> None:
        """Raises BackendFailure where it does not end. Its files go, its routes stay."""
        identity = self.running()
        if identity is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                identity.signal(number)
                if await wait_gone(identity, END_S):
                    break
            else:
                raise BackendFailure(f"BIRD (process {identity.pid}) does not end")
        await asyncio.to_thread(self._remove)

    def _listening(self) -> Identity | None:
        """Who has opened its socket, as the kernel says (unix(7), SO_PEERCRED): one that was started just before its starter was killed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self.socket))
                pid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
            except OSError:
                return None
        found = Identity.of(pid)
        return found if found.alive() else None

    def _prepare(self, text: str) -> None:
        try:
            self._pid.parent.mkdir(parents=True, exist_ok=True)
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if (user := _user()) is not None:
                os.chown(self._folder, user.pw_uid, user.pw_gid)
            if self._said.exists() and self._said.stat().st_size > LOG_BYTES:
                self._said.unlink()
            self._write(text)
        except OSError as error:
            raise BackendFailure(f"the files of BIRD cannot be made: {error}") from error

    def _exchange(self, text: str) -> str | None:
        try:
            before = self._config.read_text()
        except OSError:
            before = None
        try:
            self._write(text)
        except OSError as error:
            raise BackendFailure(f"the files of BIRD cannot be made: {error}") from error
        return before

    def _write(self, text: str) -> None:
        """For its user's eyes alone: there may be passwords in it. The folder is that user's: nothing there is followed or written over."""
        fresh = self._folder / f"new-{secrets.token_hex(8)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if (user := _user()) is not None:
                os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
        fresh.replace(self._config)

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for file in (self._pid, self._said):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.parent.rmdir()

    def _user(self) -> list[str]:
        """It keeps the rights to set routes and to listen at a low port, and no others."""
        return ["-u", USER, "-g", USER] if _user() is not None else []

    def _last_words(self) -> str:
        try:
            lines = self._said.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return _short(lines[-1]) if lines else "it has said nothing"


def _user() -> pwd.struct_passwd | None:
    """The package's; None where there is none, or where this process may not become it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"
