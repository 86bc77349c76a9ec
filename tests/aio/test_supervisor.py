"""Components fail alone and come again; only what no second try can heal gets out."""

import asyncio
from collections.abc import Callable

import pytest

from pilothouse.aio.supervisor import Supervisor, first_error
from pilothouse.aio.tasks import Run, scope

PAUSES_S = (0.01, 0.02)


def failing(times: int, error: Callable[[], Exception], runs: list[float]) -> Run:
    """A component that fails so often and then works."""

    async def run(ready: asyncio.Event) -> None:
        runs.append(asyncio.get_running_loop().time())
        if len(runs) <= times:
            raise error()
        ready.set()
        await asyncio.Event().wait()

    return run


async def test_a_component_that_fails_comes_again_and_the_others_go_on() -> None:
    runs: list[float] = []
    other: list[float] = []
    async with scope() as tasks:
        supervisor = Supervisor(tasks, pauses_s=PAUSES_S)
        supervisor.start("steady", failing(0, OSError, other))
        supervisor.start("shaky", failing(2, lambda: OSError("no such address"), runs))
        await supervisor.ready("steady", "shaky")
        states = {each.name: (each.is_ready, each.total, each.error) for each in supervisor}
        assert states == {"steady": (True, 0, ""), "shaky": (True, 2, "")}
        assert (len(runs), len(other)) == (3, 1)
        assert runs[1] - runs[0] >= 0.01
        tasks.cancel()


async def test_a_failing_component_is_shown_with_its_reason() -> None:
    seen = asyncio.Event()
    async with scope() as tasks:
        supervisor = Supervisor(tasks, seen.set, pauses_s=PAUSES_S)
        supervisor.start("dns", failing(99, lambda: OSError("port 53 is taken"), []))
        await seen.wait()
        (component,) = supervisor
        assert (component.is_ready, component.error) == (False, "port 53 is taken")
        tasks.cancel()


async def test_a_component_that_returns_has_failed() -> None:
    runs: list[int] = []

    async def run(ready: asyncio.Event) -> None:
        runs.append(1)
        if len(runs) > 1:
            ready.set()
            await asyncio.Event().wait()

    async with scope() as tasks:
        supervisor = Supervisor(tasks, pauses_s=PAUSES_S)
        supervisor.start("short", run)
        await supervisor.ready("short")
        assert len(runs) == 2
        tasks.cancel()


async def test_a_component_that_is_cancelled_from_within_has_failed() -> None:
    runs: list[int] = []

    async def run(ready: asyncio.Event) -> None:
        runs.append(1)
        if len(runs) > 1:
            ready.set()
            await asyncio.Event().wait()
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    async with scope() as tasks:
        supervisor = Supervisor(tasks, pauses_s=PAUSES_S)
        supervisor.start("runtime", run)
        async with asyncio.timeout(5):
            await supervisor.ready("runtime")
        assert [each.total for each in supervisor] == [1]
        tasks.cancel()


async def test_an_onlooker_that_fails_ends_no_component() -> None:
    def full_disk() -> None:
        raise OSError("no space left on device")

    runs: list[float] = []
    async with scope() as tasks:
        supervisor = Supervisor(tasks, full_disk, pauses_s=PAUSES_S)
        supervisor.start("shaky", failing(1, lambda: OSError("once"), runs))
        await supervisor.ready("shaky")
        assert len(runs) == 2
        tasks.cancel()


async def test_what_is_fatal_leaves() -> None:
    async def supervised() -> None:
        async with scope() as tasks:
            Supervisor(tasks, is_fatal=lambda error: isinstance(error, ValueError)).start("x", failing(1, lambda: ValueError("wrong"), []))
            await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as caught:
        await supervised()
    assert str(first_error(caught.value)) == "wrong"


async def test_an_attempt_is_repeated_until_it_succeeds() -> None:
    tries: list[int] = []

    async def attempt() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return "done"

    async with scope() as tasks:
        assert await Supervisor(tasks, pauses_s=PAUSES_S).persist("thing", attempt) == "done"
    assert len(tries) == 3


async def test_components_within_a_component_are_shown_and_start_again_with_it() -> None:
    outer_runs: list[int] = []
    async with scope() as tasks:
        supervisor = Supervisor(tasks, pauses_s=PAUSES_S)

        async def outer(ready: asyncio.Event) -> None:
            outer_runs.append(1)
            async with scope() as inside:
                inner = supervisor.within(inside)
                inner.start("inner", failing(0, OSError, []))
                await inner.ready("inner")
                ready.set()
                if len(outer_runs) == 1:
                    raise OSError("once")

        supervisor.start("outer", outer)
        await supervisor.ready("outer")
        while len(outer_runs) < 2:
            await asyncio.sleep(0.01)
        await supervisor.ready("inner")
        assert {each.name: each.total for each in supervisor} == {"outer": 1, "inner": 0}
        tasks.cancel()
