"""What a client may cost: memory that stays, warnings, names that are remembered."""

import asyncio
import time
from typing import Any

import pytest

from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.kinds import field, metadata
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.request.body import LIMIT_BYTES
from pilothouse.engine.apiserver.request.warnings import Warnings
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Cause, Invalid
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError, parse
from pilothouse.wire.messages import Certificate, Headers, Peer, Request
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import RBAC, Https, grant, rule

SERVICES = "/api/v1/namespaces/default/services"


async def test_what_is_not_served_makes_no_series_of_its_own(api: Api, https: Https) -> None:
    stranger = https.anonymous()
    for number in range(20):
        await stranger.refused("GET", f"/apis/x{number}/v1/things")
    await stranger.refused("GET", "/apis/x/v1/a%22%7D%201%0Aevil_metric%7Bb=%22")
    text = await api.get("/metrics")
    assert 'group="other",resource="other",verb="list"' in text
    assert "x1" not in text
    assert "evil" not in text


def test_warnings_come_once_and_are_4_kib_in_all() -> None:
    warnings = Warnings()
    for number in range(10_000):
        warnings.add(f"{number} {'x' * 1000}")
        warnings.add("0 " + "x" * 1000)
    assert len(list(warnings)) == len(set(warnings))
    assert 0 < sum(map(len, warnings)) <= 4096


def test_a_few_long_warnings_are_whole() -> None:
    warnings = Warnings()
    warnings.add("x" * 3000)
    assert list(warnings) == ["x" * 3000]


def test_long_texts_are_not_remembered() -> None:
    before = metadata.is_label.cache_info().currsize  # type: ignore[attr-defined]
    assert not metadata.is_label("k" * 100_000, "v")
    assert metadata.is_label.cache_info().currsize == before  # type: ignore[attr-defined]


def test_a_number_of_too_many_digits_is_no_quantity() -> None:
    with pytest.raises(QuantityError):
        parse("9" * 5000)
    assert str(parse("9" * 17)) == "9" * 17


def test_an_answer_about_what_is_wrong_is_of_bounded_length() -> None:
    error = Invalid.of("Kind", "n", [Cause(f"spec.{number}", "FieldValueInvalid", "x" * 10_000) for number in range(10_000)])
    assert len(error.causes) == 100
    assert len(error.message) < 120_000
    assert error.message.endswith("and 9900 more]")


def test_a_value_in_a_message_is_its_start() -> None:
    assert field.shown({"a": ["b"]}) == '{"a":["b"]}'
    assert len(field.shown([{"name": "x" * 50, "value": number} for number in range(100_000)])) < 2000
    assert len(field.shown("x" * 100_000)) < 600


async def test_a_cancelled_create_keeps_what_it_holds(api: Api) -> None:
    def service(name: str) -> Object:
        return {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30500}]}}

    first = asyncio.create_task(api.post(SERVICES, service("first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    error = await api.refused("POST", SERVICES, service("second"))
    assert "provided port is already allocated" in error.message
    async with asyncio.timeout(5):
        while "first" not in await api.names(SERVICES):
            await asyncio.sleep(0.01)


async def test_a_binding_that_cannot_be_read_grants_nothing_and_hides_no_other(api: Api, https: Https, store: Store) -> None:
    await grant(api, "jane", rule("list", "configmaps"))
    await store.create("/clusterrolebindings.rbac.authorization.k8s.io//broken", {"metadata": {"name": "broken"}, "subjects": [1]})
    jane = https.certified("jane")
    assert await jane.names("/api/v1/namespaces/default/configmaps") == []
    await api.delete(f"{RBAC}/clusterrolebindings/jane-has-rights-of-jane")
    assert (await jane.refused("GET", "/api/v1/namespaces/default/configmaps")).code == 403


class Fragile:
    """An index that cannot take out what it has taken in."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def put(self, key: str, value: Object) -> None:
        self.values[key] = value["n"]

    def drop(self, key: str) -> None:
        raise KeyError(key)

    def clear(self) -> None:
        self.values.clear()


async def test_an_index_that_cannot_let_go_is_built_anew(store: Store) -> None:
    index = Fragile()
    follow(store, ("/things/",), index)
    kept = await store.create("/things//a", {"metadata": {}, "n": 1})
    gone = await store.create("/things//b", {"metadata": {}, "n": 2})
    await store.delete("/things//b", expected=gone.revision)
    assert index.values == {kept.key: 1}


def test_what_is_counted_cannot_make_a_line_of_its_own() -> None:
    metrics = Metrics({})
    metrics.observe(("get", 'x"} 1\nevil{a="', "b\\"), 200, 0.1)
    lines = metrics.text().splitlines()
    assert not [line for line in lines if line.startswith("evil")]
    assert any('group="x\\"} 1\\nevil{a=\\"",resource="b\\\\"' in line for line in lines)


def test_who_is_nobody_sends_no_large_body(api: Api) -> None:
    server = api.server
    known = Peer(certificate=Certificate("jane", (), expires_at=time.time() + 60))
    assert server.body_limit(Request("POST", "/", peer=known)) == LIMIT_BYTES
    assert server.body_limit(Request("POST", "/")) == 0
    assert server.body_limit(Request("POST", "/", Headers.of([("authorization", "Bearer nonsense")]))) == 0
