"""Long children: looked after, stopped, left alone, or bound to us."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.aio.child import Child
from pilothouse.aio.identity import find
from tests.aio.test_process import gone, is_alive


async def started(log: Path, text: str = "ready") -> None:
    async with asyncio.timeout(5):
        while text not in log.read_text():
            await asyncio.sleep(0.01)


async def test_child_writes_to_its_log_and_its_end_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    child = await Child.start(["sh", "-c", "echo out; echo err >&2; exit 4"], log=log)
    assert await child.wait() == 4
    assert child.returncode == 4
    assert log.read_text() == "before\nout\nerr\n"


async def test_stop_asks_politely_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await Child.start(["sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"], log=log)
    await started(log)
    assert await child.stop() == 0
    assert "bye" in log.read_text()
    assert await child.stop() == 0


async def test_child_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await Child.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"], log=log)
    await started(log)
    assert await child.stop(grace_s=0.05) == -signal.SIGKILL


async def test_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    async with await Child.start(["sleep", "60"]) as child:
        assert os.getsid(child.pid) == child.pid
    assert child.returncode == -signal.SIGTERM


async def test_missing_program_is_an_error() -> None:
    for dies_with_us in (False, True):
        with pytest.raises(FileNotFoundError, match="pht-no-such-program"):
            await Child.start(["pht-no-such-program"], dies_with_us=dies_with_us)


async def test_detached_child_runs_on_after_its_loop_has_ended() -> None:
    child = await Child.start(["sleep", "60"])
    child.detach()
    assert is_alive(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)


@pytest.mark.parametrize("bound", [True, False])
async def test_child_outlives_a_killed_parent_only_when_it_is_meant_to(bound: bool) -> None:
    program = f"""
import asyncio, os, signal
from pilothouse.aio.child import Child
async def main():
    child = await Child.start(["sleep", "60"], dies_with_us={bound})
    while b"sleep" not in open(f"/proc/{{child.pid}}/cmdline", "rb").read().split(b"\\0")[0]:
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    said, _ = await parent.communicate()
    pid = int(said)
    if bound:
        await gone(pid)
    else:
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)


async def test_a_process_is_found_by_its_program_and_an_argument(tmp_path: Path) -> None:
    mark = f"{tmp_path}/mark"
    async with await Child.start(["sh", "-c", "sleep 60; :", mark]) as child:
        async with asyncio.timeout(5):
            # A process has no command line for a moment while its program is loaded.
            while (found := find("sh", mark)) is None:
                await asyncio.sleep(0.01)
        assert found.pid == child.pid
        assert find("sleep", mark) is None
    assert find("sh", mark) is None
