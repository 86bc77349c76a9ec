"""Drives the back end that is chosen, and leads from one to the next while connections go on.

The new one is applied first; nodes that it does not serve yet, or not at all, stay with the one before, and no others: what a node says
of whom it waits for is by then how its packets go. The one before is retired when the new one serves every node, and every other node that
is ready says that it has changed, too: until then it still receives. A moment before, this node says that it will not: a change back may
come at any time, and then nobody sends to where nothing is.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import Scope
from pilothouse.model import meta
from pilothouse.model.cluster_network import carrier, following
from pilothouse.model.json import Object
from pilothouse.network.backends.seam import Backend, BackendFailure, Outcome, View

log = structlog.get_logger("network.backends")
RESTART_S, MOST_RESTART_S = 1.0, 60.0
LEAVE_S = 2.0
"""Between saying that a back end does not receive any more and its end."""
_T = TypeVar("_T")


class _Running:
    def __init__(self, name: str, backend: Backend, task: "asyncio.Task[None]") -> None:
        self.name = name
        self.backend = backend
        self.task = task


class Driver:
    """makers: of each back end, by its name. tasks: what runs beside. own: this node's name. leave_s: see LEAVE_S.

    left_over: by back end that was to be retired, why something of it is still there.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Backend]], own: str, tasks: Scope, *, leave_s: float = LEAVE_S) -> None:
        self._makers = makers
        self._own = own
        self._tasks = tasks
        self._current: _Running | None = None
        self._earlier: list[_Running] = []
        # What is left of them is taken away once nobody sends by them; at first whatever an earlier process may have left.
        self._unswept = set(makers)
        self.left_over: dict[str, str] = {}
        self._leave_s = leave_s
        self._leaves_at: float | None = None
        self._silent = {name: make().facts() for name, make in makers.items()}

    @property
    def current(self) -> str:
        return "" if self._current is None else self._current.name

    async def step(self, view: View) -> Outcome:
        """Raises BackendFailure when the chosen back end cannot be applied; the one before serves all nodes then."""
        current = self._choose(carrier(view.spec))
        try:
            outcome = await _applied(current.backend, view)
        except BackendFailure:
            await self._serve(view, frozenset(view.peers))
            raise
        unserved = (outcome.waiting | outcome.problems.keys()) & view.peers.keys()
        await self._serve(view, unserved)
        is_changing = bool(self._earlier or self._unswept)
        if is_changing and not unserved and all(self._has_changed(peer.node) for peer in view.peers.values()):
            await self._leave()
        else:
            self._leaves_at = None
        return outcome

    @property
    def is_leaving(self) -> bool:
        """Whether a back end before has only to wait until the others have heard that it does not receive any more."""
        return self._leaves_at is not None

    def overhead_bytes(self, version: int) -> int:
        return 0 if self._current is None else self._current.backend.overhead_bytes(version)

    def facts(self) -> dict[str, str]:
        """Of all that receive; "" for what does not any more. Of one that an earlier process may have left nothing is known."""
        earlier = () if self.is_leaving else self._earlier
        running = (*earlier, *([self._current] if self._current else []))
        known = self._unswept | {each.name for each in running}
        found: dict[str, str] = {}
        for facts in (*(facts for name, facts in self._silent.items() if name not in known), *(each.backend.facts() for each in running)):
            found |= facts
        return found

    def _choose(self, name: str) -> _Running:
        if self._current is not None and self._current.name == name:
            return self._current
        before, self._current, self._leaves_at = self._current, None, None
        if before is not None:
            log.info("back end changes", before=before.name, now=name)
            self._earlier.append(before)
        self._current = next((each for each in self._earlier if each.name == name), None) or self._begin(name)
        if self._current in self._earlier:
            self._earlier.remove(self._current)
        self._unswept.discard(name)
        self.left_over.pop(name, None)
        return self._current

    def _begin(self, name: str) -> _Running:
        backend = self._makers[name]()
        return _Running(name, backend, self._tasks.spawn(self._keep(name, backend), name=f"back end {name}"))

    async def _keep(self, name: str, backend: Backend) -> None:
        pause = Backoff(RESTART_S, cap_s=MOST_RESTART_S)
        while True:
            try:
                await backend.run()
            except Exception:
                log.exception("what runs beside a back end has failed", backend=name)
            await asyncio.sleep(pause.next_s())

    async def _serve(self, view: View, nodes: frozenset[str]) -> None:
        """Each of the back ends before, the latest first, serves those of these nodes that no later one does.

        Also when none is left: a route of theirs may count before that of a later one, and lead to where nobody receives any more.
        """
        for running in reversed(self._earlier):
            try:
                outcome = await _applied(running.backend, replace(view, elsewhere=frozenset(view.peers.keys() - nodes)))
            except BackendFailure as failure:
                log.warning("a back end before does not serve nodes that wait", backend=running.name, why=str(failure))
            else:
                nodes &= outcome.waiting | outcome.problems.keys()

    def _has_changed(self, node: Object) -> bool:
        """Nodes that are not ready are not waited for."""
        said = following(node)
        is_ready = (meta.condition(node, "Ready") or {}).get("status") == "True"
        return not is_ready or (said.backend == self.current and not said.waits_for(self._own))

    async def _leave(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._leaves_at is None and self._earlier:
            self._leaves_at = now + self._leave_s
        if self._leaves_at is None or now >= self._leaves_at:
            self._leaves_at = None
            await self._retire()

    async def _retire(self) -> None:
        """What cannot be taken away now is tried again with the next round; nobody is served by it any more."""
        while self._earlier:
            running = self._earlier.pop()
            await _ended(running.task)
            self._unswept.add(running.name)
            log.info("back end is retired", backend=running.name)
        for name in sorted(self._unswept):
            try:
                await self._makers[name]().retire()
            except (BackendFailure, OSError) as failure:
                self.left_over[name] = str(failure)
                log.warning("what a back end has made is still there", backend=name, why=str(failure))
            else:
                self._unswept.discard(name)
                self.left_over.pop(name, None)


async def _applied(backend: Backend, view: View) -> Outcome:
    """Raises BackendFailure, also for what the machine refuses at a place where nobody expects it."""
    try:
        return await backend.apply(view)
    except OSError as error:
        raise BackendFailure(f"this machine refuses: {error}") from error


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
