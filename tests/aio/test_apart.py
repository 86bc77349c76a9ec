"""Work that may never end: what hangs holds up whoever asks for the same, for a moment, and nobody else."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator

import pytest

from pilothouse.aio.apart import Apart, Unanswered, begin


@pytest.fixture
async def gate() -> AsyncIterator[threading.Event]:
    """Work that waits for it hangs for the test's life."""
    made = threading.Event()
    yield made
    made.set()


def failing(error: BaseException) -> None:
    raise error


async def test_work_returns_what_it_found_or_raises_what_it_met() -> None:
    apart = Apart(2)
    assert await apart.run("a", lambda: 5, 5.0) == 5
    with pytest.raises(FileNotFoundError):
        await apart.run("a", lambda: failing(FileNotFoundError(2, "no")), 5.0)
    with pytest.raises(TimeoutError) as caught:
        await apart.run("a", lambda: failing(OSError(errno.ETIMEDOUT, "the server said so")), 5.0)
    assert not isinstance(caught.value, Unanswered)


async def test_what_hangs_costs_one_thread_however_often_it_is_asked(gate: threading.Event) -> None:
    apart, hung = Apart(2), f"hung {id(gate)}"
    for _ in range(3):
        with pytest.raises(Unanswered, match=r"no answer within 0\.05 s"):
            await apart.run(hung, gate.wait, 0.05)
    assert [each.name for each in threading.enumerate()].count(hung) == 1
    assert await apart.run("another", lambda: "there", 5.0) == "there"
    gate.set()
    assert await apart.run(hung, lambda: "back", 5.0) == "back"


async def test_no_more_threads_than_that(gate: threading.Event) -> None:
    apart = Apart(2)
    for each in "ab":
        with pytest.raises(Unanswered):
            await apart.run(each, gate.wait, 0.05)
    with pytest.raises(Unanswered):
        await apart.run("c", lambda: 1, 0.05)
    waits = asyncio.ensure_future(apart.run("c", lambda: 1, 5.0))
    gate.set()
    assert await waits == 1


async def test_a_thread_that_is_stuck_is_not_waited_for_at_the_end(gate: threading.Event) -> None:
    begun = threading.Event()
    begin(lambda: (begun.set(), gate.wait()), "stuck")
    assert await asyncio.to_thread(begun.wait, 5.0)
    assert [each.daemon for each in threading.enumerate() if each.name == "stuck"] == [True]
