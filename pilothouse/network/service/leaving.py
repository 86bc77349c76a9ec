"""Endpoints that the rules lead to no more, until nothing new can reach them.

A connection whose first packet an endpoint has not answered, because its backlog was full, say, is tried again after a second, and the
kernel sends that packet to where it sent the first: to nobody by then, and so does every connection that takes the same port of the client
in the two minutes that the kernel remembers. So a short time after the rules have left an endpoint, flows that it has not answered are
forgotten, and only then the endpoint counts as left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

from pilothouse.barrier.endpoints import Consumer

ANSWERED_WITHIN_S = 0.1
"""An endpoint that serves has answered a first packet by then, also one on another continent that is a node all the same. Before a client
sends it again: after a second. Source: RFC 6298, section 2.1. Looks are no closer to each other either: each walks through all flows."""


class Leaving:
    """consumer: told what is routed to, and what is left. forget: ends flows that these addresses have not answered; does not fail."""

    def __init__(self, consumer: Consumer, forget: Callable[[Collection[str]], Awaitable[None]]) -> None:
        self._consumer = consumer
        self._forget = forget
        self._since: dict[str, float] = {}
        self._news = asyncio.Event()

    def routes(self, routed: Iterable[str], revision: str) -> None:
        """All that the rules lead to, whatever has been said before."""
        self._since.clear()
        self._consumer.routes(frozenset(routed), revision)

    def changes(self, routed: Iterable[str], left: Iterable[str], revision: str) -> None:
        """What the rules lead to since the last word, and what they lead to no more."""
        now = asyncio.get_running_loop().time()
        for address in routed:
            self._since.pop(address, None)
        for address in left:
            self._since.setdefault(address, now)
        self._consumer.changes(routed, (), revision)
        if self._since:
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            if not self._since:
                await self._news.wait()
            await asyncio.sleep(ANSWERED_WITHIN_S)
            until = asyncio.get_running_loop().time() - ANSWERED_WITHIN_S
            due = {address: since for address, since in self._since.items() if since <= until}
            await self._forget(due.keys())
            # One that the rules lead to again meanwhile, or have left a second time, is not left yet.
            gone = [address for address, since in due.items() if self._since.get(address) == since]
            for address in gone:
                del self._since[address]
            self._consumer.changes((), gone, self._consumer.revision)
