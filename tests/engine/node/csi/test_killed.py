"""An agent that is killed at any step of mounting a driver's volume and of letting go of it: the next one does both to the end."""

import asyncio
import os
import sys

import pytest

from tests.csi_driver.pod import REPOSITORY
from tests.engine.node.csi.test_volumes import unstaged
from tests.engine.node.csi.world import World, persistent, pod, world

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

MOST_STEPS = 60


async def run_until(made: World, step: int) -> bool:
    """Whether it was killed; False: it has come to its end."""
    socket = made.config.plugins_dir / "folders.test" / "csi.sock"
    words = [sys.executable, "-m", "tests.engine.node.csi.dying", str(made.config.home), str(socket), str(step)]
    process = await asyncio.create_subprocess_exec(*words, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == (0 if said == b"over\n" else -9)
    return said != b"over\n"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_what_an_agent_was_doing_is_taken_up_by_the_next() -> None:
    async with world() as made:
        for step in range(1, MOST_STEPS):
            made.made()
            was_killed = await run_until(made, step)
            again = await made.restarted()
            if step % 2:
                # The pod is still wanted.
                assert (await made.mount(pod(), persistent())).is_dir()
            assert await again.drop("uid-1") == []
            await again.tidy()
            await unstaged(made)
            found = made.driver.store.volume("vol-1")
            assert (found.staged, found.published) == ({}, {})
            if not was_killed:
                break
        assert 15 < step < MOST_STEPS - 1
