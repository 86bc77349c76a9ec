"""A Corefile at work: hosts, rewrites, stub domains, stale answers, completion of names."""

import asyncio
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, SERVICES
from pilothouse.network.dns import codec
from pilothouse.network.dns.answers import key_of
from pilothouse.network.dns.resolver import STALE_AFTER_S
from tests.network.cluster import service
from tests.network.dns.served import ORIGIN, authority, configuration, served

WEB = (SERVICES, service("web", clusterIP="10.96.0.20"))
ROOT = ". {\n kubernetes\n forward . /etc/resolv.conf\n %s\n}"


async def test_hosts_are_answered_in_both_directions_and_others_fall_through() -> None:
    corefile = ROOT % "hosts {\n 192.0.2.1 one.example two.example\n fd00::1 one.example\n ttl 60\n fallthrough\n }"
    async with authority() as (upstream, _), served(WEB, corefile=corefile, upstream=(upstream,)) as asked:
        assert await asked.ask("One.example") == ["192.0.2.1"]
        assert await asked.ask("one.example", "AAAA") == ["fd00::1"]
        assert await asked.ask("two.example", "AAAA") == []
        assert await asked.ask("1.2.0.192.in-addr.arpa", "PTR") == ["one.example.", "two.example."]
        assert await asked.ask("three.example") == ["192.0.2.77"]
        assert await asked.ask(f"web.default.{ORIGIN}") == ["10.96.0.20"]


async def test_a_block_of_hosts_alone_knows_no_other_names() -> None:
    async with served(corefile="corp {\n hosts {\n 192.0.2.1 a.corp\n }\n}") as asked:
        assert [await asked.ask(name) for name in ("a.corp", "b.corp")] == [["192.0.2.1"], ["NXDOMAIN"]]


async def test_a_stub_domain_is_asked_where_it_is_known() -> None:
    async with (
        authority({"a.corp": "192.0.2.5"}) as (stub, of_stub),
        authority() as (upstream, of_host),
        served(corefile=f"corp {{ forward . {stub} }}", upstream=(upstream,)) as asked,
    ):
        assert await asked.ask("a.corp") == ["192.0.2.5"]
        assert await asked.ask("example.org") == ["192.0.2.77"]
    assert (of_stub.asked, of_host.asked) == (["a.corp A"], ["example.org A"])


async def test_a_rewritten_name_is_answered_under_the_name_that_was_asked() -> None:
    rules = f"rewrite name exact shop.example web.default.{ORIGIN}\n rewrite name suffix .old.example .new.example"
    there = {"a.new.example": "192.0.2.6"}
    async with authority(there) as (upstream, _), served(WEB, corefile=ROOT % rules, upstream=(upstream,)) as asked:
        for name, address in (("shop.example", "10.96.0.20"), ("a.old.example", "192.0.2.6")):
            for _ in range(2):
                (rrset,) = (await asked.message(name)).answer
                assert (rrset.name.to_text(omit_final_dot=True), str(rrset[0])) == (name, address)


async def test_a_rewrite_follows_the_service_that_it_leads_to() -> None:
    async with served(WEB, corefile=ROOT % f"rewrite name exact shop.example web.default.{ORIGIN}") as asked:
        assert await asked.ask("shop.example") == ["10.96.0.20"]
        await asked.cluster.put(SERVICES, service("web", clusterIP="10.96.0.21"))
        async with asyncio.timeout(5):
            while await asked.ask("shop.example") != ["10.96.0.21"]:
                await asyncio.sleep(0.002)


async def test_a_new_configuration_holds_from_the_next_question_on() -> None:
    async with served(WEB) as asked:
        name = f"web.default.{ORIGIN}"
        assert (await asked.message(name)).answer[0].ttl == 5
        asked.resolver.configure(configuration(". {\n kubernetes {\n ttl 17\n pods disabled\n }\n}"))
        assert (await asked.message(name)).answer[0].ttl == 17
        assert await asked.ask("1-2-3-4.default.pod.cluster.local") == ["NXDOMAIN"]


async def test_an_old_answer_is_better_than_none_where_it_is_asked_for() -> None:
    corefile = ROOT % "cache 1 {\n serve_stale 1m\n }"
    async with authority() as (upstream, server), served(corefile=corefile, upstream=(upstream,)) as asked:
        assert await asked.ask("example.org") == ["192.0.2.77"]
        server.silent = True
        await asyncio.sleep(1.1)
        message = await asked.message("example.org")
        assert (str(message.answer[0][0]), message.answer[0].ttl) == ("192.0.2.77", 30)
        assert len(server.asked) > 1, "it was asked for anew first"


async def test_an_answer_that_comes_after_the_stale_one_was_given_is_for_the_next_asker() -> None:
    corefile = ROOT % "cache 3 {\n serve_stale 1m\n }"
    async with authority() as (upstream, server), served(corefile=corefile, upstream=(upstream,)) as asked:
        assert await asked.ask("example.org") == ["192.0.2.77"]
        server.records, server.delay_s = {"example.org": "192.0.2.78"}, STALE_AFTER_S + 0.3
        await asyncio.sleep(3.1)
        assert await asked.ask("example.org") == ["192.0.2.77"]
        await asyncio.sleep(0.8)
        began = time.perf_counter()
        assert await asked.ask("example.org") == ["192.0.2.78"]
        assert time.perf_counter() - began < STALE_AFTER_S


def pod(name: str, address: str, **spec: object) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name}
    return {"metadata": metadata, "spec": {"nodeName": "here", **spec}, "status": {"phase": "Running", "podIPs": [{"ip": address}]}}


class Lookups:
    """A resolver with `ndots: 5`: glibc's asks for both families and goes on after a name that is not there."""

    def __init__(self, searches: tuple[str, ...]) -> None:
        self.searches = searches
        self.sent = 0

    async def __call__(self, asked: object, name: str, source: str) -> list[str]:
        for full in [f"{name}.{search}" for search in self.searches] + [name]:
            found = [await asked.ask(full, type_, source=source) for type_ in ("A", "AAAA")]  # type: ignore[attr-defined]
            self.sent += 2
            if found != [["NXDOMAIN"], ["NXDOMAIN"]]:
                return [each.rpartition(" ")[2] for each in found[0] if not each.endswith(".")]
        return []


SEARCHES = (f"default.{ORIGIN}", ORIGIN, "cluster.local", "corp.example")


@pytest.mark.parametrize(
    ("name", "expected", "without", "at_all"),
    [
        ("www.example.org", ["192.0.2.77"], 10, 2),
        ("web", ["10.96.0.20"], 2, 2),
        ("web.default", ["10.96.0.20"], 4, 2),
        ("intra", ["192.0.2.8"], 8, 2),
    ],
)
async def test_names_are_completed_for_a_pod_of_this_node(
    tmp_path: Path, name: str, expected: list[str], without: int, at_all: int
) -> None:
    (tmp_path / "resolv.conf").write_text("search corp.example\n")
    there = {"www.example.org": "192.0.2.77", "intra.corp.example": "192.0.2.8"}
    objects = (WEB, (PODS, pod("known", "127.0.0.2")))
    async with authority(there) as (upstream, _), served(*objects, upstream=(upstream,), resolv_conf=tmp_path / "resolv.conf") as asked:
        stranger, known = Lookups(SEARCHES), Lookups(SEARCHES)
        assert [await stranger(asked, name, "127.0.0.1"), await known(asked, name, "127.0.0.2")] == [expected, expected]
        assert (stranger.sent, known.sent) == (without, at_all)


async def test_a_completed_answer_is_an_alias_of_the_name_that_was_asked() -> None:
    async with authority() as (upstream, _), served((PODS, pod("known", "127.0.0.2")), upstream=(upstream,)) as asked:
        message = await asked.message(f"example.org.default.{ORIGIN}", source="127.0.0.2")
        shown = [(rrset.name.to_text(), str(rrset[0])) for rrset in message.answer]
        assert shown == [(f"example.org.default.{ORIGIN}.", "example.org."), ("example.org.", "192.0.2.77")]


async def test_names_of_other_namespaces_and_of_pods_with_other_settings_are_not_completed() -> None:
    pods = [pod("known", "127.0.0.2"), pod("own", "127.0.0.3", dnsPolicy="Default"), pod("host", "127.0.0.4", hostNetwork=True)]
    pods += [pod("one", "127.0.0.5"), pod("two", "127.0.0.5")]
    objects = ((PODS, each) for each in pods)
    async with (
        authority() as (upstream, server),
        served(*objects, upstream=(upstream,), namespaces=("default", "other")) as asked,
    ):
        assert await asked.ask(f"example.org.other.{ORIGIN}", source="127.0.0.2") == ["NXDOMAIN"]
        for source in ("127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1"):
            assert await asked.ask(f"example.org.default.{ORIGIN}", source=source) == ["NXDOMAIN"]
    assert server.asked == []


async def test_what_one_asker_is_told_is_not_told_to_another() -> None:
    async with authority() as (upstream, _), served((PODS, pod("known", "127.0.0.2")), upstream=(upstream,)) as asked:
        for _ in range(2):
            assert len(await asked.ask(f"example.org.default.{ORIGIN}", source="127.0.0.2")) == 2
            assert await asked.ask(f"example.org.default.{ORIGIN}", source="127.0.0.1") == ["NXDOMAIN"]


async def test_a_service_that_comes_ends_the_completion_of_its_name() -> None:
    async with authority() as (upstream, _), served((PODS, pod("known", "127.0.0.2")), upstream=(upstream,)) as asked:
        assert "web. 192.0.2.77" in await asked.ask(f"web.default.{ORIGIN}", source="127.0.0.2")
        await asked.cluster.put(*WEB)
        async with asyncio.timeout(5):
            while await asked.ask(f"web.default.{ORIGIN}", source="127.0.0.2") != ["10.96.0.20"]:
                await asyncio.sleep(0.002)


async def test_answers_made_before_they_are_asked_for_are_no_questions_in_the_log() -> None:
    async with served(WEB, corefile=ROOT % "log") as asked:
        question = codec.query(codec.name_of(f"web.default.{ORIGIN}"), codec.A, 7)
        with capture_logs() as lines:
            await asked.resolver.prepare([key_of("", question[2:])])
            assert (len(asked.resolver.answers), lines) == (1, [])
            asked.resolver.answer(question, stream=False, asker="127.0.0.1")
        assert [line["asker"] for line in lines] == ["127.0.0.1"]
