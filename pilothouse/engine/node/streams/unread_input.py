"""Takes what a process that was started by exec has left unread on its standard input.

The runtime copies the client's input into a pipe on disk, and its shim from there into the process. A shim keeps the reading end of the
process's own pipe open, so when the process ends without reading all, nobody is told, the copies wait for ever, and with them the
process's exit code (containerd 1.6). Once a process has ended nobody needs its input: it is read and dropped here, the copies end, and
the runtime tells the exit code as usual.
"""

import asyncio
import os
from pathlib import Path

import structlog

from pilothouse.engine.node.runtime.seam import ExecEnded

log = structlog.get_logger("engine.node")
GRACE_S = 0.1
"""The runtime removes the pipe of a process that has read everything."""
POLL_S = 0.02
DEADLINE_S = 60.0
CHUNK = 1 << 16


class UnreadInput:
    """containerd_state: its `state` folder, where the pipes of processes lie."""

    def __init__(self, containerd_state: Path) -> None:
        self._folder = containerd_state / "io.containerd.grpc.v1.cri" / "containers"

    async def drop(self, ended: ExecEnded) -> None:
        """Returns when the runtime has let go of the input, or after a minute."""
        await asyncio.sleep(GRACE_S)
        for pipe in (self._folder / ended.container_id / "io").glob(f"*/{ended.exec_id}-stdin"):
            log.info("dropping unread input", container=ended.container_id[:12], exec=ended.exec_id[:12])
            await _drain(pipe)


async def _drain(pipe: Path) -> None:
    try:
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await asyncio.to_thread(pipe.exists):
                if not _read(descriptor):
                    await asyncio.sleep(POLL_S)
    except TimeoutError:
        log.warning("input is still being sent to a process that has ended", pipe=str(pipe))
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bool:
    """Whether something was there."""
    try:
        return bool(os.read(descriptor, CHUNK))
    except BlockingIOError:
        return False
