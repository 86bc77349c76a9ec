"""Memory goes back to the system. In processes of their own, whose memory nothing else moves."""

import subprocess
import sys

import pytest

SCRIPT = """
import asyncio
from pilothouse.aio import allocator
allocator.restrain()
is_growth_seen = {is_growth_seen}
async def main():
    before = allocator.resident_bytes()
    if is_growth_seen:
        giving = asyncio.ensure_future(allocator.give_back(0.05))
        await asyncio.sleep(0)
    blocks = [bytes(2_000) for _ in range(100_000)]
    grown = allocator.resident_bytes() - before
    kept = blocks[::500]
    if not is_growth_seen:
        giving = asyncio.ensure_future(allocator.give_back(0.05))
        await asyncio.sleep(0.2)
    del blocks
    async with asyncio.timeout(20):
        while allocator.resident_bytes() - before > grown / 4:
            await asyncio.sleep(0.05)
    giving.cancel()
asyncio.run(main())
"""


@pytest.mark.parametrize("is_growth_seen", [True, False])
def test_memory_freed_between_blocks_in_use_goes_back_to_the_system(is_growth_seen: bool) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT.format(is_growth_seen=is_growth_seen)], check=True, timeout=50)
