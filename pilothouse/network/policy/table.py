"""The table in the kernel and the thread that writes it: transactions, the look whether it is still there, what it has noted.

A transaction that fails leads to the whole table being written again; when that fails, too, the policies whose rules are at fault are
looked for, so that they alone are not carried out.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.linux.nft_state import NftState
from pilothouse.linux.nft_written import WrittenRules
from pilothouse.network.policy import kernel, quarantine
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.book import Book, nothing
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.noted import Noted, Refusal
from pilothouse.network.policy.state import State
from pilothouse.network.policy.units import Culprit
from pilothouse.network.policy.world import World

log = structlog.get_logger("network.policy")
T = TypeVar("T")


class Lacking(Exception):
    """The machine cannot carry out policies; the text says what it lacks."""


class Table:
    """Make it with `opened` and end it with `close`; the thread is the caller's. is_whole: the next transaction writes everything."""

    def __init__(self, config: NetworkPolicyConfig, thread: ThreadPoolExecutor, nft: Nft, state: NftState, *, can_reset: bool) -> None:
        self.is_whole = True
        self._is_written = False
        self._config, self._thread, self._nft, self._state = config, thread, nft, state
        self._book = Book(config, can_reset=can_reset)
        self._noted = Noted(nft, config)
        self._written = WrittenRules()

    @classmethod
    async def opened(cls, config: NetworkPolicyConfig, thread: ThreadPoolExecutor) -> "Table":
        """Raises Lacking."""

        def look() -> tuple[Nft, NftState, str, bool]:
            nft = open_nft()
            return nft, NftState(), kernel.missing(nft, config), kernel.can_reset(nft, config)

        nft, state, lacking, can_reset = await _in(thread, look)
        if lacking:
            state.close()
            raise Lacking(lacking)
        return cls(config, thread, nft, state, can_reset=can_reset)

    def close(self) -> None:
        self._state.close()

    async def write(self, state: State, told: Backlog) -> None:
        """Bring the state to what was told, and the kernel to the state. Raises NftFailure, after which all is written anew the next time.

        Nothing of it is done by the event loop, whatever policies ask for.
        """
        await _in(self._thread, lambda: self._write(state, told))

    def _write(self, state: State, told: Backlog) -> None:
        began, world = time.perf_counter(), state.world
        state.take(told)
        changed = world.take_changed()
        commands = self._book.whole(world) if self.is_whole else self._book.change(world, changed)
        self.is_whole, was_whole = True, self.is_whole
        if commands:
            self._run(commands)
        self.is_whole = False
        self._is_written = True
        if was_whole:
            self._noted.restart()
        if commands:
            took_ms = round((time.perf_counter() - began) * 1000, 2)
            log.debug("rules of policies changed", took_ms=took_ms, bytes=len(commands), whole=was_whole)

    async def take(self, state: State, told: Backlog) -> None:
        """Of policies that hold nowhere, the kernel hears nothing."""

        def work() -> None:
            state.take(told)
            state.world.take_changed()

        await _in(self._thread, work)

    async def clear(self) -> None:
        """No table at all. Raises NftFailure."""
        self._is_written = False
        self._book = Book(self._config, can_reset=self._book.can_reset)
        await _in(self._thread, lambda: self._run("\n".join(nothing(self._config)) + "\n"))

    def _run(self, commands: str) -> None:
        self._nft.run(commands)
        self._written.note(commands)

    async def refused(self, world: World) -> dict[str, str]:
        """See `quarantine.refused`."""
        return await _in(self._thread, lambda: quarantine.refused(self._nft, self._config, world, can_reset=self._book.can_reset))

    async def is_in_place(self) -> bool:
        """Whether what was written is still there."""

        def look() -> bool:
            try:
                return self._written.is_in_place(self._state, self._are_maps_filled)
            except (NftFailure, OSError):
                return False

        return await _in(self._thread, look)

    def _are_maps_filled(self) -> bool:
        return all("elements = " in self._nft.run(f"list map inet {self._config.table} {filled}\n") for filled in self._book.filled)

    async def refusals(self, state: State) -> tuple[dict[Refusal, int], dict[int, Culprit]]:
        """Since the last call, and who refuses; none of a table that another run has left."""

        def look() -> tuple[dict[Refusal, int], dict[int, Culprit]]:
            found = self._noted.fresh()
            known = state.world.culprits
            return found, {number: known[number] for number in {each.number for each in found} if number in known}

        return await _in(self._thread, look) if self._is_written else ({}, {})


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)
