"""What has been answered before is answered anew as soon as an object says otherwise."""

import asyncio
import time

import pytest

from pilothouse.model.kinds import ENDPOINTSLICES, NAMESPACES, SERVICES
from pilothouse.network.dns.answers import ORDERS, AnswerCache
from tests.network.cluster import endpoint, endpoint_slice, service
from tests.network.dns.served import ORIGIN, Served, served

WEB = f"web.default.{ORIGIN}"


async def until(asked: Served, name: str, expected: list[str], type_: str = "A") -> float:
    """Seconds until the name is answered so."""
    began = time.perf_counter()
    async with asyncio.timeout(5):
        while await asked.ask(name, type_) != expected:
            await asyncio.sleep(0.001)
    return time.perf_counter() - began


async def test_a_service_that_comes_changes_and_goes_is_answered_so_within_20_ms() -> None:
    async with served() as asked:
        assert [await asked.ask(WEB) for _ in range(3)] == [["NXDOMAIN"]] * 3
        took: list[float] = []
        await asked.cluster.put(SERVICES, service("web", clusterIP="10.96.0.20"))
        took.append(await until(asked, WEB, ["10.96.0.20"]))
        await asked.cluster.put(SERVICES, service("web", clusterIP="10.96.0.21"))
        took.append(await until(asked, WEB, ["10.96.0.21"]))
        await asked.cluster.delete(SERVICES, "default", "web")
        took.append(await until(asked, WEB, ["NXDOMAIN"]))
        assert min(took) < 0.02


async def test_endpoints_of_a_headless_service_are_answered_as_they_come_and_go() -> None:
    pods = [endpoint("10.244.0.1", hostname="a"), endpoint("10.244.0.2", hostname="b")]
    async with served((SERVICES, service("web", clusterIP="None"))) as asked:
        assert await asked.ask(f"a.{WEB}") == ["NXDOMAIN"]
        await asked.cluster.put(ENDPOINTSLICES, endpoint_slice("web", [], *pods))
        await until(asked, WEB, ["10.244.0.1", "10.244.0.2"])
        await until(asked, f"a.{WEB}", ["10.244.0.1"])
        await until(asked, "1.0.244.10.in-addr.arpa", [f"a.{WEB}."], "PTR")
        await asked.cluster.put(ENDPOINTSLICES, endpoint_slice("web", [], pods[1]))
        await until(asked, WEB, ["10.244.0.2"])
        await until(asked, "1.0.244.10.in-addr.arpa", ["NXDOMAIN"], "PTR")


async def test_an_alias_follows_the_service_that_it_names() -> None:
    alias = service("alias", type="ExternalName", clusterIP="", externalName=WEB)
    async with served((SERVICES, alias), (SERVICES, service("web", clusterIP="10.96.0.20"))) as asked:
        name = f"alias.default.{ORIGIN}"
        await until(asked, name, [f"{name}. {WEB}.", f"{WEB}. 10.96.0.20"])
        await asked.cluster.put(SERVICES, service("web", clusterIP="10.96.0.21"))
        await until(asked, name, [f"{name}. {WEB}.", f"{WEB}. 10.96.0.21"])


async def test_a_namespace_that_comes_has_pods() -> None:
    async with served() as asked:
        assert await asked.ask("1-2-3-4.new.pod.cluster.local") == ["NXDOMAIN"]
        await asked.cluster.put(NAMESPACES, {"metadata": {"name": "new", "uid": "new"}})
        await until(asked, "1-2-3-4.new.pod.cluster.local", ["1.2.3.4"])


async def test_clients_that_take_the_first_address_spread_over_all() -> None:
    pods = [endpoint(f"10.244.0.{number}") for number in range(1, 5)]
    async with served((SERVICES, service("web", clusterIP="None")), (ENDPOINTSLICES, endpoint_slice("web", [], *pods))) as asked:
        first = {str((await asked.message(WEB)).answer[0][0]) for _ in range(60)}
        assert first == {f"10.244.0.{number}" for number in range(1, 5)}


def test_the_cache_of_answers_is_bounded() -> None:
    cache = AnswerCache(most_bytes=2000)
    for number in range(10):
        cache.put(b"%d" % number, b"answer", [f"n/{number}"], records=1, type=1, code=0)
        assert len(cache) <= 4
    cache.put(b"long", b"x" * 5000, ["n/x"], records=1, type=1, code=0)
    assert cache.get(b"long") is None


@pytest.mark.parametrize("records", [1, 3, 50])
def test_an_answer_is_kept_in_as_many_orders_as_it_has_records_up_to_a_bound(records: int) -> None:
    cache = AnswerCache()
    for number in range(min(records, ORDERS)):
        assert cache.get(b"q") is None
        cache.put(b"q", b"%d" % number, ["n/s"], records=records, type=1, code=0)
    found = {found[0] for found in (cache.get(b"q") for _ in range(ORDERS)) if found is not None}
    assert len(found) == min(records, ORDERS)
    cache.forget("n/s")
    assert cache.get(b"q") is None
