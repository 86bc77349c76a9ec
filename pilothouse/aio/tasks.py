"""Tasks with owners: nothing runs that nobody waits for.

`scope()` is an asyncio.TaskGroup that can be cancelled from inside. The standard library's documented recipe is used (a task
that raises a private exception, swallowed by `except*`), since TaskGroup has no cancel() before Python 3.15.
`running()` keeps one component alive for a block; nested on an AsyncExitStack, components stop in reverse order of their start.
`TaskSet` owns tasks that callbacks start, as servers do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")
Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""A component's main coroutine: sets the event when it is ready, then works until it is cancelled."""


class NotReady(Exception):
    """A component ended, or its time ran out, before it said that it is ready."""


class _Stop(Exception):
    """Raised by a task of its own to end a scope; never seen outside."""


async def _raise_stop() -> None:
    raise _Stop


class Scope:
    """The tasks of one `scope()` block. The first failure cancels the others and the block, as in asyncio.TaskGroup."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._is_cancelled = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> "asyncio.Task[T]":
        try:
            task = self._group.create_task(work, name=name)
        except RuntimeError:
            # The scope is ending: nobody would ever await the work.
            work.close()
            raise
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def start(self, run: Run, *, name: str | None = None, deadline_s: float = 60.0) -> "asyncio.Task[None]":
        """Start a component and return once it is ready; raises NotReady."""
        ready = asyncio.Event()
        task = self.spawn(run(ready), name=name)
        await _wait_ready(task, ready, name or str(getattr(run, "__qualname__", "component")), deadline_s)
        return task

    def cancel(self) -> None:
        """End the scope: its tasks and its block are cancelled at their next await, and the block ends without an error."""
        if not self._is_cancelled:
            self._is_cancelled = True
            self.spawn(_raise_stop())

    async def wait(self) -> None:
        """Returns when no task is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)


async def _wait_ready(task: "asyncio.Task[None]", ready: asyncio.Event, name: str, deadline_s: float) -> None:
    said_so = False

    def wake(_: object) -> None:
        nonlocal said_so
        said_so = ready.is_set()
        ready.set()

    task.add_done_callback(wake)
    try:
        async with asyncio.timeout(deadline_s):
            await ready.wait()
    except TimeoutError as error:
        raise NotReady(f"{name} was not ready after {deadline_s:g} s") from error
    if task.done() and not said_so and not task.cancelled() and task.exception() is None:
        raise NotReady(f"{name} ended before it was ready")
    task.remove_done_callback(wake)


@asynccontextmanager
async def scope() -> AsyncIterator[Scope]:
    """A task group that `Scope.cancel()` ends quietly; a cancellation from outside still goes through."""
    owner = asyncio.current_task()
    assert owner is not None, "scope() is used inside a task"
    cancelled_before = owner.cancelling()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = Scope(group)
            yield tasks
            # Up to Python 3.12 a group that fails while it is being left does not take back its request to cancel us,
            # which then looks like one from outside. So the waiting is done in here.
            await tasks.wait()
    except* _Stop:
        pass
    if owner.cancelling() > cancelled_before:
        raise asyncio.CancelledError


@asynccontextmanager
async def running(run: Run, *, name: str | None = None, deadline_s: float = 60.0) -> AsyncIterator["asyncio.Task[None]"]:
    """Keep a component running for the block: entered when it is ready, cancelled and awaited at the end.

    A component that fails cancels the block, which then raises its error in an exception group.
    """
    async with scope() as tasks:
        yield await tasks.start(run, name=name, deadline_s=deadline_s)
        tasks.cancel()


async def first_of(*works: Coroutine[Any, Any, T]) -> T:
    """Run all and return what the first to end returns (or raise what it raises); the others are cancelled and awaited."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def is_set(event: asyncio.Event, wait_s: float) -> bool:
    """Whether the event is set, now or within so many seconds."""
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def each(works: "list[Coroutine[Any, Any, T]]", *, limit: int) -> list[T]:
    """Run all with at most `limit` at a time; results in the order given. The first failure cancels the rest."""
    slots = asyncio.Semaphore(limit)

    async def bounded(work: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await work

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bounded(work)) for work in works]
    finally:
        for work in works:
            work.close()
    return [task.result() for task in tasks]


class TaskSet:
    """Tasks started from callbacks, owned by whoever calls close(). A failure is reported to the loop's exception handler."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any], *, name: str | None = None) -> "asyncio.Task[Any]":
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, grace_s: float = 0.0) -> None:
        """Let the tasks end by themselves for a while, then cancel them and wait."""
        if self._tasks and grace_s > 0:
            await asyncio.wait(self._tasks, timeout=grace_s)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a task failed", "exception": error, "task": task})


async def within(deadline_s: float, work: Awaitable[T], what: str) -> T:
    """Await with a deadline; raises TimeoutError that says what was waited for."""
    try:
        async with asyncio.timeout(deadline_s) as timeout:
            return await work
    except TimeoutError as error:
        if timeout.expired():
            raise TimeoutError(f"{what} took longer than {deadline_s:g} s") from error
        raise


@asynccontextmanager
async def begun(work: Coroutine[Any, Any, T]) -> AsyncIterator["asyncio.Future[T]"]:
    """Work that has begun before its result is awaited. Whoever awaits it gets its error; at the block's end it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
