import asyncio

import pytest

from pilothouse.aio.liveness import until_silent

pytestmark = pytest.mark.looptime


async def test_a_program_that_misses_some_questions_is_left_alone() -> None:
    said = iter([False, False, True, False, False, True])

    async def answers() -> bool:
        return next(said, True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await until_silent(answers, every_s=0.1, answer_s=5, misses=3)


async def test_a_program_that_hangs_is_noticed() -> None:
    begun = asyncio.get_running_loop().time()
    await until_silent(asyncio.Event().wait, every_s=0.5, answer_s=0.5, misses=3)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(3, abs=1)
