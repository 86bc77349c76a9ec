"""Holds a mounted file system still for as long as a copy takes, and never longer: who writes to it waits meanwhile.

The kernel keeps a file system frozen though whoever froze it is gone. So it is another process that freezes and thaws it: it thaws when
its time is over, and when the pipe from the agent closes, which a kill of the agent does, too. Should that process be killed as well,
a mark beside the volume tells the next agent to thaw it (`thaw_left`).
"""

import asyncio
import ctypes
import errno
import fcntl
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from pilothouse.aio.process import signal_group
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.mountpoints import is_mounted
from pilothouse.engine.node.local_volumes.layout import frozen_mark, mount_point
from pilothouse.engine.node.local_volumes.programs import environment

log = structlog.get_logger("node.local_volumes")

MOST_S = 60
"""How long a file system is held still at most that somebody uses."""
NO_LIMIT = 0
SPARE_S, LOOK_S = 15.0, 0.05
_FITHAW = 0xC0045878
_libc = ctypes.CDLL(None, use_errno=True)
_KEEPER = """
fsfreeze --freeze "/proc/self/fd/$1" || exit 3
echo frozen
timeout "$2" cat > /dev/null
over=$?
fsfreeze --unfreeze "/proc/self/fd/$1" || exit 4
exit $over
"""


class NotStill(Exception):
    """The file system could not be held still, or not for long enough; the message says why."""


@asynccontextmanager
async def frozen(folder: Path, most_s: int) -> AsyncIterator[None]:
    """The mounted file system of the volume is still for the block. folder: of the volume, which nobody unmounts meanwhile.

    most_s: `NO_LIMIT` for one that nobody uses.
    Raises NotStill at the end when it was not still all the while: what was copied is worth nothing then.
    """
    keeper: asyncio.subprocess.Process | None = None
    with opened(await asyncio.to_thread(_claim, frozen_mark(folder))) as mark:
        try:
            keeper = await _keeper(mount_point(folder), mark, most_s)
            yield
        finally:
            code = 0 if keeper is None else await _end(keeper)
            await asyncio.to_thread(_forget, folder)
    if code:
        raise NotStill(f"its file system could not be held still for the time that its copy needs (at most {most_s} s); end its pods first")


def _forget(folder: Path) -> None:
    """What the keeper has not thawed, since it was killed, is thawed now."""
    thaw(mount_point(folder))
    frozen_mark(folder).unlink(missing_ok=True)


def _claim(mark: Path) -> int:
    """The open mark, locked. A keeper has it, too, and so has the lock until it ends: an earlier one must not thaw what is frozen now.

    Blocking, for `SPARE_S` at most. Raises NotStill, OSError.
    """
    descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(int(SPARE_S / LOOK_S)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_S)
        else:
            return descriptor
    os.close(descriptor)
    raise NotStill("a copy that was begun earlier still holds its file system")


async def _keeper(point: Path, mark: int, most_s: int) -> asyncio.subprocess.Process:
    """Returns once the file system is frozen. Raises NotStill, OSError."""
    with opened(await asyncio.to_thread(_root_of, point)) as root:
        return await _kept(root, mark, most_s)


def _root_of(point: Path) -> int:
    """The open root of what is mounted there. Raises NotStill, OSError.

    What is frozen is what was opened and looked at: where nothing is mounted, the path would lead to the disk of the whole machine.
    """
    root = os.open(point, FOLDER)
    if os.fstat(root).st_dev == point.parent.stat().st_dev:
        os.close(root)
        raise NotStill("its file system is not mounted")
    return root


async def _kept(root: int, mark: int, most_s: int) -> asyncio.subprocess.Process:
    words = ("sh", "-c", _KEEPER, "sh", str(root), str(most_s))
    pipe = asyncio.subprocess.PIPE
    # A session of its own: what is sent to the agent's group does not end it.
    keeper = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(), start_new_session=True, pass_fds=(root, mark)
    )
    assert keeper.stdout is not None
    try:
        async with asyncio.timeout(SPARE_S):
            said = await keeper.stdout.readline()
    except BaseException as error:
        await _end(keeper)
        if isinstance(error, TimeoutError):
            raise NotStill("its file system did not come to rest: what is written to it takes too long") from error
        raise
    if said.strip() != b"frozen":
        assert keeper.stderr is not None
        why = (await keeper.stderr.read()).decode(errors="replace").strip()
        await _end(keeper)
        raise NotStill(f"its file system could not be frozen: {why[-500:]}")
    return keeper


async def _end(keeper: asyncio.subprocess.Process) -> int:
    """Closes the pipe, which has it thaw, and waits for its end; its exit code. Raises NotStill for one that does not end."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    for number in (None, signal.SIGKILL):
        if number is not None:
            signal_group(keeper.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(SPARE_S):
                return await keeper.wait()
    raise NotStill("the program that holds its file system still does not end")


def write_out(point: Path) -> None:
    """What has been written to the file system so far is on its device: what freezes it then has little to wait for. Raises OSError."""
    with opened(os.open(point, FOLDER)) as found:
        if _libc.syncfs(found) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(point))


def thaw(point: Path) -> bool:
    """Whether it was frozen. Blocking. Raises OSError."""
    if not is_mounted(point):
        return False
    with opened(os.open(point, FOLDER)) as found:
        try:
            fcntl.ioctl(found, _FITHAW, 0)
        except OSError as error:
            if error.errno == errno.EINVAL:  # It is not.
                return False
            raise
    return True


def thaw_left(volumes: Path) -> None:
    """Thaws what an agent that was killed has left frozen. volumes: the folder of the volumes. Blocking."""
    for mark in volumes.glob("*/frozen"):
        try:
            with opened(_claim(mark)):
                if thaw(mount_point(mark.parent)):
                    log.warning("file system thawed that a copy had left frozen", volume=mark.parent.name)
                mark.unlink(missing_ok=True)
        except (OSError, NotStill) as error:
            log.error("file system not thawed", volume=mark.parent.name, why=str(error))
