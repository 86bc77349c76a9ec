"""What the node remembers of its callers, and how much it asks about them at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.node.kubelet import callers as module
from pilothouse.engine.node.kubelet.callers import Caller, Callers
from pilothouse.engine.node.kubelet.expiring import Expiring
from pilothouse.model.errors import ApiError, Internal, TooManyRequests, Unauthorized, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.wire.messages import Certificate, Headers, Peer, Request

ANN = Caller("ann", ("system:authenticated",))


class Answers(Client):
    """An API server that answers reviews as it is told, and is asked so often."""

    def __init__(self) -> None:
        self.asked: list[Object] = []
        self.held = asyncio.Event()
        self.held.set()
        self.allowed = True
        self.failure: ApiError | None = None

    async def create(self, resource: Resource, obj: Object, *args: Any, **named: Any) -> Object:
        self.asked.append(obj["spec"])
        await self.held.wait()
        if self.failure is not None:
            raise self.failure
        if resource.plural == "tokenreviews":
            user = {"username": "ann", "groups": ["g"], "uid": "1", "extra": {"k": ["v"]}}
            return {"status": {"authenticated": self.allowed, "user": user}}
        return {"status": {"allowed": self.allowed}}


class Bench:
    def __init__(self) -> None:
        self.api, self.now = Answers(), 0.0
        self.callers = Callers(self.api, "n1", lambda: self.now)

    async def token(self, text: str) -> Caller:
        return await self.callers.authenticate(Request("GET", "/", Headers.of([("Authorization", f"Bearer {text}")])))


async def test_an_answer_stands_for_a_while_and_is_asked_for_again_after_it() -> None:
    bench = Bench()
    for _ in range(5):
        assert await bench.callers.may(ANN, "get", "stats")
    assert len(bench.api.asked) == 1
    bench.now = module.ALLOWED_S + 0.1
    bench.api.allowed = False
    assert not await bench.callers.may(ANN, "get", "stats")
    bench.api.allowed = True
    assert not await bench.callers.may(ANN, "get", "stats")
    bench.now += module.DENIED_S + 0.1
    assert await bench.callers.may(ANN, "get", "stats")


async def test_each_right_of_each_caller_is_a_question_of_its_own() -> None:
    bench = Bench()
    for caller in (ANN, Caller("ann", ("other",)), Caller("ann", ANN.groups, extra=(("k", ("v",)),))):
        for subresource in ("stats", "proxy"):
            await bench.callers.may(caller, "get", subresource)
    assert len(bench.api.asked) == 6
    assert bench.api.asked[0]["resourceAttributes"] == {
        "verb": "get", "version": "v1", "resource": "nodes", "subresource": "stats", "name": "n1",
    }  # fmt: skip


async def test_a_token_names_its_user_and_is_kept_as_a_digest() -> None:
    bench = Bench()
    found = await bench.token("secret-token")
    assert found == Caller("ann", ("g",), "1", (("k", ("v",)),))
    assert await bench.token("secret-token") == found
    assert len(bench.api.asked) == 1
    assert "secret-token" not in repr(vars(bench.callers._tokens))


async def test_a_token_that_was_refused_is_refused_without_being_asked_about_again() -> None:
    bench = Bench()
    bench.api.allowed = False
    for _ in range(10):
        with pytest.raises(Unauthorized):
            await bench.token("bad")
    assert len(bench.api.asked) == 1


async def test_a_flood_of_tokens_is_held_off_and_known_callers_are_not() -> None:
    bench = Bench()
    known = await bench.token("known")
    assert await bench.callers.may(known, "get", "stats")
    bench.api.held.clear()
    flood = [asyncio.ensure_future(bench.token(f"t{number}")) for number in range(module.MOST_WAITING)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await bench.token("one more")
    assert await bench.token("known") == known
    assert await bench.callers.may(known, "get", "stats")
    bench.api.held.set()
    await asyncio.gather(*flood)
    assert await bench.token("one more")


async def test_a_failure_is_no_answer() -> None:
    bench = Bench()
    bench.api.failure = Internal("down")
    with pytest.raises(Internal):
        await bench.callers.may(ANN, "get", "stats")
    bench.api.failure = None
    assert await bench.callers.may(ANN, "get", "stats")


async def test_an_api_server_that_says_nothing_holds_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_S", 0.05)
    bench = Bench()
    bench.api.held.clear()
    with pytest.raises(Unavailable, match="has not said"):
        await bench.callers.may(ANN, "get", "stats")


async def test_a_certificate_counts_until_its_end() -> None:
    bench = Bench()

    async def signed(expires_at: float) -> Caller:
        peer = Peer(certificate=Certificate("bob", ("team",), (), expires_at))
        return await bench.callers.authenticate(Request("GET", "/", peer=peer))

    assert await signed(float("inf")) == Caller("bob", ("team", "system:authenticated"))
    with pytest.raises(Unauthorized):
        await signed(1.0)
    assert not bench.api.asked


async def test_only_so_many_answers_are_kept_and_those_asked_for_longest_ago_go() -> None:
    asked: list[int] = []
    kept: Expiring[int, int] = Expiring(lambda _: 100.0, 3, lambda: 0.0)

    def ask(key: int) -> Callable[[], Coroutine[Any, Any, int]]:
        async def answer() -> int:
            asked.append(key)
            return key

        return answer

    for key in (1, 2, 3, 1, 4, 1, 2):
        assert await kept.get(key, ask(key)) == key
    assert asked == [1, 2, 3, 4, 2]


async def test_those_who_wait_for_the_same_answer_ask_once_and_who_gives_up_leaves_the_others() -> None:
    bench = Bench()
    bench.api.held.clear()
    first, *others = [asyncio.ensure_future(bench.callers.may(ANN, "get", "stats")) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    bench.api.held.set()
    assert all(await asyncio.gather(*others))
    assert len(bench.api.asked) == 1
