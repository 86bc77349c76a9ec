"""When other servers are asked for their descriptions, in virtual time; the server's answers are played."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.engine.apiserver.aggregator.asking import Asker, Document
from pilothouse.engine.apiserver.aggregator.checks import DESCRIBED_AGAIN_S, EVERY_S, Checks
from pilothouse.engine.apiserver.aggregator.findings import Findings
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.model.service_reference import ServiceReference
from tests.engine.apiserver.aggregator.test_description import PATH, document
from tests.simulation.virtual import virtually

NAME = "v1.example.org"
IT = Registration(NAME, "u", "example.org", "v1", ServiceReference("default", "other", 443))
FIRST, SECOND = document(), document(Meta={"type": "string"})


class Played:
    """description: of version 2; None for a server that breaks off. hash: of that of version 3, "" without one. read: how often."""

    def __init__(self, description: Object | None, hash: str = "") -> None:
        self.description = description
        self.hash = hash
        self.read = 0

    async def get(self, to: Registration, target: str, *, most_bytes: int = 0) -> Document:
        if target == "/openapi/v3":
            return Document(
                200, {"paths": {PATH.strip("/"): {"serverRelativeURL": f"{target}{PATH}?hash={self.hash}"}}} if self.hash else None
            )
        if target != "/openapi/v2":
            return Document(200, {"kind": "APIResourceList", "groupVersion": "example.org/v1", "resources": []})
        self.read += 1
        if self.description is None:
            raise Unavailable("broken off")
        return Document(200, self.description)


class World:
    def __init__(self, played: Played) -> None:
        self.played = played
        self.findings = Findings()
        self.checks = Checks(lambda name: IT, cast("Asker", played), self.findings, lambda name: None)

    def described(self) -> Any:
        found = self.findings.of(IT)
        assert found is not None
        return found.described.part()["definitions"]["Meta"] if found.described is not None else None


def play(played: Played, work: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        world = World(played)
        async with scope() as tasks:
            tasks.spawn(world.checks.run())
            world.checks.ask(NAME)
            await asyncio.sleep(1)
            await work(world)
            tasks.cancel()

    virtually(whole)


def test_a_description_without_a_hash_is_read_again_after_an_upgrade() -> None:
    async def work(world: World) -> None:
        assert world.described() == {"type": "object"}
        world.played.description = SECOND
        await asyncio.sleep(EVERY_S)
        assert (world.played.read, world.described()) == (1, {"type": "object"})
        await asyncio.sleep(DESCRIBED_AGAIN_S)
        assert (world.played.read, world.described()) == (2, {"type": "string"})
        world.played.description = FIRST
        world.checks.ask(NAME)  # Its endpoints have changed.
        await asyncio.sleep(2)
        assert (world.played.read, world.described()) == (3, {"type": "object"})

    play(Played(FIRST), work)


@pytest.mark.parametrize("hash", ["", "abc"])
def test_a_description_that_cannot_be_used_is_not_read_at_each_check(hash: str) -> None:
    async def work(world: World) -> None:
        assert world.described() is None
        await asyncio.sleep(10 * DESCRIBED_AGAIN_S)
        assert 9 <= world.played.read <= 11
        world.played.description = FIRST
        world.checks.ask(NAME)
        await asyncio.sleep(2)
        assert world.described() == {"type": "object"}

    play(Played({"paths": 1}, hash), work)


def test_one_with_a_hash_is_read_when_that_changes() -> None:
    async def work(world: World) -> None:
        world.checks.ask(NAME)
        await asyncio.sleep(10 * DESCRIBED_AGAIN_S)
        assert world.played.read == 1
        world.played.description, world.played.hash = SECOND, "def"
        await asyncio.sleep(EVERY_S + 1)
        assert (world.played.read, world.described()) == (2, {"type": "string"})

    play(Played(FIRST, "abc"), work)


def test_what_was_read_stays_while_the_document_cannot_be_had() -> None:
    async def work(world: World) -> None:
        world.played.description = None
        await asyncio.sleep(DESCRIBED_AGAIN_S + EVERY_S)
        assert (world.played.read, world.described()) == (2, {"type": "object"})

    play(Played(FIRST), work)
