"""A flood by one tenant, as another sees it: over HTTP and in process."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.chain.fairness import FairlyQueued
from pilothouse.engine.apiserver.fairness.turns import Refused, Seat
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.apiserver.request.request import ApiRequest, PlainHeaders
from pilothouse.wire.messages import Certificate, Headers, Peer, Request
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.https import Https, grant, rule

FLOOD = 64
Ask = Callable[[str, str], Coroutine[Any, Any, object]]
"""A user asks for a path."""


@pytest.fixture(params=["over HTTP", "in process"])
async def ask(request: pytest.FixtureRequest, api: Api) -> Ask:
    """flooder and other: two users of one priority level."""
    for name in ("flooder", "other"):
        await grant(api, name, rule("get list create watch", "configmaps"))
    if request.param == "in process":
        return lambda user, path: api.as_user(user).get(path)
    peers = {user: Peer("127.0.0.1", 1, Certificate(user, ())) for user in ("flooder", "other")}
    return lambda user, path: api.server.handle(Request("GET", path, Headers.of([("host", "a")]), peer=peers[user]))


@pytest.fixture
def order(api: Api, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose requests have gone on to authorization, one after the other."""
    found: list[str] = []
    authorizer = api.server.backend.authorizer
    authorize = authorizer.authorize

    def noted(request: ApiRequest) -> None:
        found.append(request.user.name)
        authorize(request)

    monkeypatch.setattr(authorizer, "authorize", noted)
    return found


@pytest.mark.parametrize("path", [CONFIGMAPS, "/livez"], ids=["a read", "a probe, which is exempt"])
async def test_a_tenant_waits_for_a_few_of_anothers_flood(ask: Ask, order: list[str], path: str) -> None:
    flood = [asyncio.ensure_future(ask("flooder", CONFIGMAPS)) for _ in range(FLOOD)]
    await asyncio.ensure_future(ask("other", path))
    assert order.index("other") <= FLOOD // 4
    await asyncio.gather(*flood)
    assert order.count("flooder") == FLOOD


@pytest.mark.parametrize("accept", ["application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"])
async def test_a_long_list_is_sent_in_turns(api: Api, https: Https, monkeypatch: pytest.MonkeyPatch, accept: str) -> None:
    for number in range(200):
        await api.post(CONFIGMAPS, configmap(f"c-{number}", text="x" * 4000))
    await grant(api, "lister", rule("list", "configmaps"))
    turns = 0

    async def turn(self: Seat) -> None:
        nonlocal turns
        turns += 1

    monkeypatch.setattr(Seat, "turn", turn)
    found = await https.certified("lister").transport.call(Call("GET", CONFIGMAPS, accept=accept))
    assert len(found.get("items") or found["rows"]) == 200
    assert turns >= 6


@pytest.mark.parametrize("what", ["a collection's deletes", "a watch's first objects"])
async def test_work_in_tasks_of_its_own_is_charged_to_who_asked(api: Api, https: Https, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    for number in range(96):
        await api.post(CONFIGMAPS, configmap(f"c-{number}"))
    await grant(api, "asker", rule("list watch deletecollection", "configmaps"))
    asker, steps = https.certified("asker"), 0
    charge = Seat.charge

    def counted(seat: Seat, seconds: float) -> None:
        nonlocal steps
        steps += 1
        charge(seat, seconds)

    monkeypatch.setattr(Seat, "charge", counted)
    if what == "a collection's deletes":
        await asker.delete(CONFIGMAPS)
        assert steps > 2 * 96, "each waits for its turn and for the disk"
        return
    async with asyncio.timeout(30), asker.transport.watch(Call("GET", CONFIGMAPS, (("watch", "true"),))) as events:
        for _ in range(96):
            await anext(events)
    assert steps > 96 // 32, "each batch of first objects is a step"


async def test_a_refusal_says_when_to_come_back(api: Api, https: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise Refused("queue-full")

    monkeypatch.setattr(api.server.fairness.turns, "enter", refuse)
    error = await https.certified("somebody").refused("GET", CONFIGMAPS)
    assert (error.code, error.reason, error.retry_after_s) == (429, "TooManyRequests", 1)
    text = "\n".join(api.server.fairness.lines())
    labels = 'flow_schema="global-default",priority_level="global-default",reason="queue-full"'
    assert f"apiserver_flowcontrol_rejected_requests_total{{{labels}}}" in text


async def test_watches_that_follow_hold_no_seats(api: Api, https: Https) -> None:
    await grant(api, "other", rule("create watch", "configmaps"))
    other = https.certified("other")
    async with asyncio.timeout(30), other.transport.watch(Call("GET", CONFIGMAPS, (("watch", "true"),))) as events:
        await other.post(CONFIGMAPS, configmap("a"))
        await anext(events)
        await seats(api, 0)


async def test_a_watcher_that_does_not_read_its_first_objects_gives_its_seat_back(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.chain.fairness.BEGINNING_S", 0.01)
    read = asyncio.Event()

    async def send_first_objects(_: ApiRequest) -> None:
        await read.wait()

    watch = ApiRequest("GET", routing.parse(CONFIGMAPS), {"watch": ["true"]}, PlainHeaders({}), user=User("other", ()))
    serving = asyncio.ensure_future(FairlyQueued(api.server.fairness)(watch, send_first_objects))
    await seats(api, 1)
    await seats(api, 0)
    assert not serving.done()
    read.set()
    await serving
    assert sum(level.seats for level in api.server.fairness.levels) == 0


async def seats(api: Api, count: int) -> None:
    """Returns once so many are taken."""
    async with asyncio.timeout(5):
        while sum(level.seats for level in api.server.fairness.levels) != count:
            await asyncio.sleep(0)
