"""Components that fail alone: each is started again with back-off when it ends, and the others go on.

A component is a coroutine function that sets the event it is given once it works, and then runs until it is cancelled. One that raises,
returns, or cancels itself has failed: the failure is logged, counted and kept for whoever asks, and after a pause the component runs
again. Failures that no second try can heal (`is_fatal`) leave the supervisor and end what it stands in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import Run, Scope, first_of

log = structlog.get_logger("supervisor")

T = TypeVar("T")
FIRST_S, MOST_S, STEADY_S = 0.2, 30.0, 60.0


class Ended(Exception):
    """A component returned, or was cancelled from within, though nobody had cancelled it."""


@dataclass(slots=True)
class Component:
    """failures: since it last worked for `STEADY_S`, `total` ever. error: of the last failure, "" while it works."""

    name: str
    is_ready: bool = False
    failures: int = 0
    total: int = 0
    error: str = ""


class Supervisor:
    """tasks: own the components. changed: called, in the loop, after each change of a component's state; its errors are only logged.

    is_fatal: whether an exception shall leave through `tasks` instead of being tried again. pauses_s: the shortest and the longest.
    """

    def __init__(
        self,
        tasks: Scope,
        changed: Callable[[], None] = lambda: None,
        *,
        is_fatal: Callable[[BaseException], bool] = lambda _: False,
        pauses_s: tuple[float, float] = (FIRST_S, MOST_S),
    ) -> None:
        self._tasks = tasks
        self._pauses_s = pauses_s
        self._changed = changed
        self._is_fatal = is_fatal
        self._components: dict[str, Component] = {}
        self._ready: dict[str, asyncio.Event] = {}

    def within(self, tasks: Scope) -> "Supervisor":
        """A supervisor of components that end with another scope; this one shows them among its own."""
        inner = Supervisor(tasks, self._changed, is_fatal=self._is_fatal, pauses_s=self._pauses_s)
        inner._components, inner._ready = self._components, self._ready
        return inner

    def __iter__(self) -> Iterator[Component]:
        return iter(self._components.values())

    def start(self, name: str, run: Run) -> None:
        """Keep a component running until the tasks' scope ends. Names are unique."""
        component = self._add(name)
        self._tasks.spawn(self._keep(component, run), name=name)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something once, with the tasks. Its failure ends them."""
        self._tasks.spawn(work)

    async def ready(self, *names: str) -> None:
        """Returns once each of the components has worked for the first time."""
        for name in names:
            await self._ready[name].wait()

    async def persist(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The attempt's result, tried again with back-off until it has one. Raises what is fatal."""
        component = self._add(name)
        backoff = self._backoff()
        while True:
            try:
                result = await attempt()
            except Exception as error:
                if self._is_fatal(error):
                    raise
                await self._pause(component, error, backoff)
            else:
                self._works(component)
                return result

    def _add(self, name: str) -> Component:
        """One that is started again under its name, as parts of a component are with it, keeps its count."""
        component = self._components.setdefault(name, Component(name))
        component.is_ready = False
        self._ready[name] = asyncio.Event()
        return component

    async def _keep(self, component: Component, run: Run) -> None:
        backoff = self._backoff()
        while True:
            working = asyncio.Event()
            try:
                await first_of(self._run(component, run, working), self._watch(component, working, backoff))
            except Exception as error:
                if self._is_fatal(error):
                    raise
                await self._pause(component, error, backoff)

    async def _run(self, component: Component, run: Run, working: asyncio.Event) -> None:
        try:
            await run(working)
        except asyncio.CancelledError as error:
            # A library that cancels what the component waits for (gRPC does, with a channel that closes) has not cancelled the component.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise Ended(f"{component.name} was cancelled from within") from error
        raise Ended(f"{component.name} has ended by itself")

    async def _watch(self, component: Component, working: asyncio.Event, backoff: Backoff) -> None:
        """Note that the component works, and after a while that it does so steadily. Never returns."""
        await working.wait()
        self._works(component)
        await asyncio.sleep(STEADY_S)
        backoff.reset()
        component.failures = 0
        await asyncio.Event().wait()

    def _works(self, component: Component) -> None:
        component.is_ready, component.error = True, ""
        self._ready[component.name].set()
        self._tell()

    def _tell(self) -> None:
        """Who only looks on must not end what it looks at: on a full disk it cannot write down what it has seen."""
        try:
            self._changed()
        except Exception:
            log.exception("a change of the components' states could not be passed on")

    def _backoff(self) -> Backoff:
        first_s, most_s = self._pauses_s
        return Backoff(first_s, cap_s=most_s, jitter=0.1)

    async def _pause(self, component: Component, error: Exception, backoff: Backoff) -> None:
        pause_s = backoff.next_s()
        first = first_error(error)
        component.is_ready, component.error = False, str(first) or type(first).__name__
        component.failures += 1
        component.total += 1
        log.error("component failed", component=component.name, failures=component.failures, again_s=round(pause_s, 2), exc_info=first)
        self._tell()
        await asyncio.sleep(pause_s)


def first_error(error: BaseException) -> BaseException:
    """The first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
