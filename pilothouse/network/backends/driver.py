"""Drives the back end that is chosen, and leads from one to the next while connections go on.

The new one is applied first; nodes that it does not serve yet, or not at all, stay with the one before. That one is retired when the new
one serves every node, and every other node that is ready says that it has changed, too: until then it still receives.
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
_T = TypeVar("_T")


class _Running:
    def __init__(self, name: str, backend: Backend, task: "asyncio.Task[None]") -> None:
        self.name = name
        self.backend = backend
        self.task = task


class Driver:
    """makers: of each back end, by its name. tasks: what runs beside. own: this node's name."""

    def __init__(self, makers: Mapping[str, Callable[[], Backend]], own: str, tasks: Scope) -> None:
        self._makers = makers
        self._own = own
        self._tasks = tasks
        self._current: _Running | None = None
        self._earlier: list[_Running] = []
        # Of those that an earlier process may have left.
        self._unswept = set(makers)

    @property
    def current(self) -> str:
        return "" if self._current is None else self._current.name

    async def step(self, view: View) -> Outcome:
        """Raises BackendFailure when the chosen back end cannot be applied; the one before serves all nodes then."""
        current = self._choose(carrier(view.spec))
        try:
            outcome = await current.backend.apply(view)
        except BackendFailure:
            await self._serve(view, frozenset(view.peers))
            raise
        unserved = outcome.waiting | outcome.problems.keys()
        await self._serve(view, unserved & view.peers.keys())
        if not unserved and all(self._has_changed(peer.node) for peer in view.peers.values()):
            await self._retire()
        return outcome

    def overhead_bytes(self, version: int) -> int:
        return 0 if self._current is None else self._current.backend.overhead_bytes(version)

    def facts(self) -> dict[str, str]:
        """Of all that receive; "" for what does not any more."""
        found: dict[str, str] = {}
        for running in (*self._earlier, *([self._current] if self._current else [])):
            found |= running.backend.facts()
        return found

    def _choose(self, name: str) -> _Running:
        if self._current is not None and self._current.name == name:
            return self._current
        before, self._current = self._current, None
        if before is not None:
            log.info("back end changes", before=before.name, now=name)
            self._earlier.append(before)
        self._current = next((each for each in self._earlier if each.name == name), None) or self._begin(name)
        if self._current in self._earlier:
            self._earlier.remove(self._current)
        self._unswept.discard(name)
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
        """The latest of the back ends before serves these; what it has for others stays unused until it is retired."""
        if self._earlier and nodes:
            try:
                await self._earlier[-1].backend.apply(replace(view, peers={name: view.peers[name] for name in nodes}))
            except BackendFailure as failure:
                log.warning("the back end before does not serve nodes that wait", backend=self._earlier[-1].name, why=str(failure))

    def _has_changed(self, node: Object) -> bool:
        """Nodes that are not ready are not waited for."""
        said = following(node)
        is_ready = (meta.condition(node, "Ready") or {}).get("status") == "True"
        return not is_ready or (said.backend == self.current and not said.waits_for(self._own))

    async def _retire(self) -> None:
        while self._earlier:
            running = self._earlier[-1]
            await _ended(running.task)
            await running.backend.retire()
            self._earlier.pop()
            self._unswept.discard(running.name)
            log.info("back end retired", backend=running.name)
        for name in sorted(self._unswept):
            await self._makers[name]().retire()
            self._unswept.discard(name)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
