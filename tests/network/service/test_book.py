"""How the tables follow their services: what a change writes, and who has what several claim."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.json import Object
from pilothouse.network.service.book import Client, RuleBook, renumbered
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.plan import NOTHING, Fragment, Where, plan
from tests.network.cluster import endpoint, endpoint_slice, service

CONFIG = ServiceProxyConfig(instance="t", node="here", local_cidrs=("10.244.0.0/24",), service_cidrs=("10.96.0.0/12",))
HTTP: Object = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
OFFERED: Object = {"name": "http", "protocol": "TCP", "port": 8080}
ONE, TWO, THREE = "10.244.0.5", "10.244.0.6", "10.244.0.7"


def book_of(**services: Fragment) -> RuleBook:
    book = RuleBook(CONFIG.families[0])
    book.put({f"default/{name}": fragment for name, fragment in services.items()})
    book.whole(())
    return book


def leading(*addresses: str, name: str = "web", **spec: object) -> Fragment:
    slice_ = endpoint_slice(name, [OFFERED], *map(endpoint, addresses))
    return plan(service(name, HTTP, **spec), [slice_], CONFIG).fragments[0]


def without_table(commands: str) -> list[str]:
    return [line.replace(" ip pilothouse-t-svc", "") for line in commands.splitlines()]


def test_a_change_of_endpoints_writes_elements_alone() -> None:
    others = {
        name: leading(*at, name=name, clusterIP=f"10.96.0.{n}") for name, at, n in (("a", (ONE, TWO), 1), ("b", (ONE, TWO, THREE), 2))
    }
    book = book_of(web=leading(ONE, TWO, THREE), **others)
    numbers = {name: book._numbers.of(f"goto pick-{name}") for name in (2, 3)}
    assert without_table(book.change({"default/web": leading(TWO, THREE)})) == [
        "delete element frontends { 10.96.0.10 . tcp . 80 }",
        "delete element endpoints { 10.96.0.10 . tcp . 80 . 0:0, 10.96.0.10 . tcp . 80 . 0:2 }",
        f"add element frontends {{ 10.96.0.10 . tcp . 80 : 0:{numbers[2]} }}",
        "add element endpoints { 10.96.0.10 . tcp . 80 . 0:0 : 10.244.0.7 . 8080 }",
    ]


def test_another_endpoint_in_the_place_of_one_changes_one_element() -> None:
    book = book_of(web=leading(ONE, TWO, name="web"))
    assert without_table(book.change({"default/web": leading(ONE, THREE)})) == [
        "delete element endpoints { 10.96.0.10 . tcp . 80 . 0:1 }",
        "add element endpoints { 10.96.0.10 . tcp . 80 . 0:1 : 10.244.0.7 . 8080 }",
        "delete element self { 10.244.0.6 . 10.244.0.6 }",
        "add element self { 10.244.0.7 . 10.244.0.7 }",
    ]


def test_nothing_changed_is_no_transaction() -> None:
    book = book_of(web=leading(ONE, TWO))
    assert book.change({"default/web": leading(TWO, ONE)}) == ""


def test_a_chain_that_nobody_needs_any_more_waits_for_the_next_who_does() -> None:
    book = book_of(web=leading(ONE))
    assert "add chain pick-2" in without_table(book.change({"default/web": leading(ONE, TWO)}))
    commands = book.change({"default/web": leading(ONE)})
    assert " chain " not in commands
    for count in range(2, 60):
        commands += book.change({"default/web": leading(*(f"10.244.0.{n}" for n in range(1, count + 1)))})
    assert "delete chain pick-2" in without_table(commands), "not for ever, though"


def test_a_service_that_goes_takes_everything_with_it() -> None:
    book = book_of()
    empty = book.whole(())
    book.change({"default/web": leading(ONE, TWO, sessionAffinity="ClientIP")})
    book.change({"default/web": NOTHING})
    assert book.whole(()) == empty
    assert not book.is_routed(ONE)
    assert book.size == 0


def stays(*addresses: str, before: Fragment = NOTHING, **spec: object) -> Fragment:
    """As `leading`, with affinity."""
    slice_ = endpoint_slice("web", [OFFERED], *map(endpoint, addresses))
    return plan(service("web", HTTP, sessionAffinity="ClientIP", **spec), [slice_], CONFIG, before=[before]).fragments[0]


def test_endpoints_of_a_service_with_affinity_keep_their_seats_whoever_leaves() -> None:
    first = stays(ONE, TWO, THREE)
    book = book_of(web=first)
    commands = without_table(book.change({"default/web": stays(TWO, THREE, before=first)}))
    assert "delete element endpoints { 10.96.0.10 . tcp . 80 . 0:0 }" in commands, "the seat of the one that left, and no other"
    assert "add element picks { 10.96.0.10 . tcp . 80 . 0:0 : 0:2 }" in commands
    assert not [line for line in commands if line.startswith("add element endpoints")]


def test_services_with_affinity_share_chains_and_sets() -> None:
    book = book_of(web=stays(ONE, TWO))
    commands = book.change({"default/other": stays(TWO, THREE, clusterIP="10.96.0.2")})
    assert "10.96.0.2 . tcp . 80" in commands
    assert not [word for word in ("add chain", "add set", "add rule") if word in commands]


def test_idle_chains_of_affinity_go_before_those_that_they_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.network.service.book.MOST_IDLE", 5)
    rng = random.Random(7)
    book, now = book_of(), dict.fromkeys("abcdef", NOTHING)
    present: dict[str, list[str]] = {}
    for _ in range(400):
        changed = {
            name: stays(
                *(f"10.244.0.{n}" for n in range(rng.randrange(20))),
                before=now[name],
                clusterIP=f"10.96.0.{ord(name)}",
                sessionAffinityConfig={"clientIP": {"timeoutSeconds": rng.randrange(1, 9)}},
            )
            for name in rng.sample("abcdef", 2)
        }
        now |= changed
        commands = without_table(book.change({f"default/{name}": fragment for name, fragment in changed.items()}))
        for line in commands:
            verb, kind, name, *rule = line.split()
            if (verb, kind) == ("add", "chain"):
                present[name] = []
            elif (verb, kind) == ("add", "rule"):
                present[name] += [rule[-1]] if rule[-2] in ("jump", "goto") else []
            elif (verb, kind) == ("delete", "chain"):
                del present[name]
        assert all(to in present for leads in present.values() for to in leads)
    assert len(present) < 60


def test_services_whose_clients_are_remembered_for_different_times_share_the_longest_chain() -> None:
    book = book_of(web=stays(ONE, TWO))
    other = stays(TWO, THREE, clusterIP="10.96.0.2", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 7}})
    added = [line.split()[2] for line in without_table(book.change({"default/other": other})) if line.startswith("add chain")]
    assert added
    assert not [name for name in added if name.startswith("known-")]


def test_idle_chains_are_bounded_by_their_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.network.service.book.MOST_IDLE_RULES", 100)
    book, fragment = book_of(), stays(*(f"10.244.0.{n}" for n in range(1, 200)))
    book.change({"default/web": fragment})
    commands = without_table(book.change({"default/web": NOTHING}))
    assert [line for line in commands if line.startswith("delete chain known-256/")]


def test_clients_that_were_known_are_remembered_by_the_table_that_replaces_another() -> None:
    fragment = stays(ONE, TWO, type="NodePort", ports=[HTTP | {"nodePort": 30080}])
    book = book_of(web=fragment)
    (name,) = book.client_sets
    cluster, node = Where("10.96.0.10", "tcp", 80), Where("192.0.2.1", "tcp", 30080)
    known = [
        Client("10.244.0.9", cluster, (TWO, 8080), False, 60),
        Client("10.244.0.10", node, (ONE, 8080), False, 61),
        Client("10.244.0.11", cluster, (TWO, 8080), False, 0),
        Client("10.244.0.12", cluster, (TWO, 8080), False, 999_999),
        Client("10.244.0.13", cluster, (THREE, 8080), False, 60),
        Client("10.244.0.14", cluster, (TWO, 8080), True, 60),
        Client("10.244.0.15", Where("10.96.0.11", "tcp", 80), (TWO, 8080), False, 60),
    ]
    assert [line for line in without_table(book.whole((), {name: known, "clients-gone": known})) if "expires" in line] == [
        f"add element {name} {{ 10.244.0.9 . 10.96.0.10 . tcp . 80 . 0:1 timeout 10800s expires 60s, "
        "10.244.0.10 . 192.0.2.1 . tcp . 30080 . 0:0 timeout 10800s expires 61s }"
    ]


def test_networks_that_clients_may_be_in_change_one_by_one() -> None:
    def balanced(*networks: str) -> Fragment:
        wanted = service("web", HTTP, type="LoadBalancer", loadBalancerSourceRanges=list(networks))
        wanted["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
        return plan(wanted, [endpoint_slice("web", [OFFERED], endpoint(ONE))], CONFIG).fragments[0]

    book = book_of(web=balanced("192.0.2.0/24", "198.51.100.0/24"))
    assert without_table(book.change({"default/web": balanced("192.0.2.0/24", "10.0.0.0/8")})) == [
        "delete element allowed { 203.0.113.9 . tcp . 80 . 198.51.100.0/24 }",
        "add element allowed { 203.0.113.9 . tcp . 80 . 10.0.0.0/8 }",
    ]


def test_an_address_in_two_services_is_routed_to_until_both_have_let_it_go() -> None:
    book = book_of(a=leading(ONE, name="a"), b=leading(ONE, name="b", clusterIP="10.96.0.2"))
    assert "self" not in book.change({"default/a": leading(name="a")})
    assert book.is_routed(ONE)
    assert "delete element self { 10.244.0.5 . 10.244.0.5 }" in without_table(book.change({"default/b": NOTHING}))
    assert not book.is_routed(ONE)


def test_of_two_services_that_claim_the_same_the_first_has_it_and_the_other_inherits_all_of_it() -> None:
    first = leading(ONE, name="a", clusterIP="10.96.0.1", externalIPs=["192.0.2.1"])
    second = leading(TWO, name="b", clusterIP="10.96.0.2", externalIPs=["192.0.2.1"])
    book = book_of(a=first)
    assert "192.0.2.1" not in book.change({"default/b": second})
    commands = without_table(book.change({"default/a": NOTHING}))
    assert "add element endpoints { 192.0.2.1 . tcp . 80 . 0:0 : 10.244.0.6 . 8080 }" in commands
    assert "192.0.2.1" in next(line for line in book.whole(()).splitlines() if "add element" in line and "frontends" in line)


def test_nobody_waits_for_a_terminating_endpoint_that_is_the_last_resort() -> None:
    book = book_of(web=leading(ONE))
    assert book.is_routed(ONE)
    slice_ = endpoint_slice("web", [OFFERED], endpoint(ONE, ready=False, serving=True, terminating=True))
    book.change({"default/web": plan(service("web", HTTP), [slice_], CONFIG).fragments[0]})
    assert ONE in book.whole(())
    assert not book.is_routed(ONE)


def test_nobody_waits_for_a_terminating_endpoint_of_a_service_that_takes_them_in_any_state() -> None:
    slice_ = endpoint_slice("web", [OFFERED], endpoint(ONE, ready=True, serving=True, terminating=True), endpoint(TWO))
    book = book_of(web=plan(service("web", HTTP), [slice_], CONFIG).fragments[0])
    assert (book.is_routed(ONE), book.is_routed(TWO)) == (False, True)


@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=6))
def test_endpoints_keep_their_numbers_as_far_as_numbers_without_gaps_let_them(steps: list[list[int]]) -> None:
    now: tuple[tuple[str, int], ...] = ()
    for step in steps:
        wanted = tuple((str(each), 80) for each in step)
        then = renumbered(now, wanted)
        assert sorted(then) == sorted(wanted)
        stay = len(set(now) & set(wanted))
        moved = sum(1 for number, each in enumerate(now) if each in wanted and (number >= len(then) or then[number] != each))
        assert moved <= max(0, len(now) - len(wanted)), "only those beyond the end move, into gaps"
        assert stay >= moved
        now = then


class Table:
    """What a kernel would have after the transactions, of maps: elements are refused that are there, or are not there."""

    def __init__(self, commands: str) -> None:
        self.maps: dict[str, dict[str, str]] = {}
        self.chains: set[str] = set()
        self.run(commands)

    def run(self, commands: str) -> None:
        for line in commands.splitlines():
            verb, kind, _, _, name, *_ = [*line.split(), "", "", ""]
            inside = line.partition("{")[2].rpartition("}")[0].split(", ")
            if kind == "element" and verb == "add":
                for key, value in (each.strip().split(" : ") if " : " in each else (each.strip(), "") for each in inside):
                    assert key not in self.maps.setdefault(name, {}), line
                    self.maps[name][key] = value
            elif kind == "element":
                for key in inside:
                    del self.maps[name][key.strip()]
            elif kind == "chain":
                assert (name in self.chains) == (verb != "add"), line
                (self.chains.add if verb == "add" else self.chains.discard if verb == "delete" else len)(name)  # type: ignore[operator]

    def led(self, chain: str) -> bool:
        return f"goto {chain}" in self.maps.get("chains", {}).values()


def test_changes_one_by_one_come_to_the_same_table_as_one_that_is_written_as_a_whole() -> None:
    """Random services that share external addresses, 400 changes; numbers may differ, what they mean may not."""
    chance = random.Random(7)
    book = book_of()
    table = Table(book.whole(()))
    for step in range(400):
        name = f"s{chance.randrange(6)}"
        spec: Object = {"clusterIP": f"10.96.0.{int(name[1:]) + 1}", "externalIPs": chance.sample(["192.0.2.1", "192.0.2.2"], 1)}
        if chance.random() < 0.3:
            spec |= {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
        addresses = [f"10.244.0.{n}" for n in chance.sample(range(1, 9), chance.randrange(5))]
        fragment = NOTHING if chance.random() < 0.2 else leading(*addresses, name=name, **spec)
        table.run(book.change({f"default/{name}": fragment}))
        if step % 20 == 0:
            fresh = RuleBook(CONFIG.families[0])
            fresh.put(book.fragments)
            assert meaning(Table(fresh.whole(()))) == meaning(table) or claimed_twice(book), step
    assert book.size > 0


def claimed_twice(book: RuleBook) -> bool:
    """Who came first is known to the book alone."""
    return any(len(claims) > 1 for claims in book._claims.values())


def meaning(table: Table) -> dict[str, tuple[str, frozenset[str]]]:
    """Of each frontend: the verdict, and where its endpoints are."""
    chains, ends = table.maps.get("chains", {}), table.maps.get("endpoints", {})
    return {
        key: (chains[number], frozenset(value for at, value in ends.items() if at.rpartition(" . ")[0] == key))
        for key, number in table.maps.get("frontends", {}).items()
    }
