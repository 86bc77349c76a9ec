"""Short children: their output, their deadline, their end."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.aio import process
from pilothouse.aio.process import OutputTooLarge, ProcessFailed, ProcessTimeout, run


async def test_output_and_exit_code_are_returned() -> None:
    done = await run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


async def test_failed_child_is_an_error_only_when_checked_and_says_what_it_said() -> None:
    done = await run(["sh", "-c", "echo no such table >&2; exit 1"])
    with pytest.raises(ProcessFailed, match="exit code 1: no such table"):
        done.check()
    assert (await run(["true"])).check().returncode == 0


async def test_child_ended_by_a_signal_says_so() -> None:
    done = await run(["sh", "-c", "kill -TERM $$"])
    assert done.returncode == -signal.SIGTERM
    with pytest.raises(ProcessFailed, match="signal 15"):
        done.check()


async def test_input_reaches_the_child_whole() -> None:
    data = os.urandom(1_000_000)
    assert (await run(["cat"], input=data)).stdout == data


async def test_child_that_does_not_read_its_input_is_fine() -> None:
    assert (await run(["true"], input=b"x" * 1_000_000)).returncode == 0


async def test_child_that_has_ended_before_its_input_is_written_is_fine() -> None:
    talk = process._Talk(asyncio.get_running_loop(), None)
    transport, _ = await asyncio.get_running_loop().subprocess_exec(lambda: talk, "true", stdin=subprocess.PIPE)
    await talk.closed
    process._feed(transport, b"x")
    transport.close()


async def test_environment_and_directory_are_the_childs(tmp_path: Path) -> None:
    done = await run(["/bin/sh", "-c", 'pwd; echo "$A-$HOME"'], env={"A": "b"}, cwd=tmp_path)
    assert done.stdout == f"{tmp_path}\nb-\n".encode()


async def test_missing_program_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await run(["pht-no-such-program"])


async def test_child_and_its_children_are_killed_at_the_deadline(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(ProcessTimeout, match=r"killed after 0\.3 s"):
        await run(["sh", "-c", script], timeout_s=0.3)
    await gone(int((tmp_path / "pid").read_text()))


async def test_child_is_killed_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    ready = asyncio.Event()
    pids: list[int] = []

    def saw(_: str, line: bytes) -> None:
        pids.append(int(line))
        ready.set()

    task = asyncio.ensure_future(run(["sh", "-c", "echo $$; exec sleep 60"], on_line=saw))
    async with asyncio.timeout(5):
        await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pids[0])


async def test_lines_are_passed_on_as_they_come() -> None:
    lines: list[tuple[str, bytes]] = []
    done = await run(["sh", "-c", "printf 'a\\r\\n\\nb'; echo c >&2"], on_line=lambda name, line: lines.append((name, line)))
    assert sorted(lines) == [("stderr", b"c"), ("stdout", b""), ("stdout", b"a"), ("stdout", b"b")]
    assert done.stdout == b""


async def test_endless_line_is_passed_on_in_pieces() -> None:
    sizes: list[int] = []
    await run([sys.executable, "-c", "print('x' * 3_000_000)"], on_line=lambda _, line: sizes.append(len(line)))
    assert sum(sizes) == 3_000_000
    assert len(sizes) > 1


async def test_child_that_says_too_much_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CAPTURE_BYTES", 100_000)
    with pytest.raises(OutputTooLarge):
        await run(["yes"], timeout_s=10)


async def test_daemon_left_behind_does_not_keep_its_starter_waiting(tmp_path: Path) -> None:
    done = await run(["sh", "-c", "echo started; setsid sleep 60 & echo $! > pid"], cwd=tmp_path, timeout_s=20)
    assert done.stdout == b"started\n"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


async def gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while is_alive(pid):
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
