"""A process is ended by SIGTERM whether its event loop turns or not."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

WITH_LOOP = """
import asyncio, uvloop
from pilothouse.aio.tasks import scope
from pilothouse.cli.daemon.stopping import on_signals

async def main():
    loop = asyncio.get_running_loop()
    async with scope() as tasks:
        on_signals(lambda: loop.call_soon_threadsafe(tasks.cancel), deadline_s=0.5)
        print("up", flush=True)
        WORK
    print("orderly", flush=True)

uvloop.run(main())
"""


@contextmanager
def started(work: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([sys.executable, "-c", WITH_LOOP.replace("WORK", work)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_process_whose_loop_turns_ends_in_order() -> None:
    with started("await asyncio.Event().wait()") as child:
        child.send_signal(signal.SIGTERM)
        assert child.communicate(timeout=10)[0] == "orderly\n"
        assert child.returncode == 0


def test_a_process_that_spins_ends_all_the_same() -> None:
    with started("while True: pass") as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0


def test_a_process_whose_end_hangs_ends_all_the_same() -> None:
    work = """
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1000)"""
    with started(work.strip()) as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) == 0
