"""Kubernetes DNS-Based Service Discovery, version 1.1.0, paragraph by paragraph, in both IP families."""

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.dns import codec
from tests.network.cluster import endpoint, endpoint_slice, service
from tests.network.dns.served import ORIGIN, authority, served

HTTPS: Object = {"name": "https", "protocol": "TCP", "port": 443}
UNNAMED: Object = {"protocol": "TCP", "port": 80}


def slice6(name: str, ports: list[Object], *endpoints: Object) -> Object:
    return endpoint_slice(name, ports, *endpoints, suffix="six") | {"addressType": "IPv6"}


OBJECTS = [
    (SERVICES, service("both", HTTPS, clusterIP="10.96.0.11", clusterIPs=["10.96.0.11", "fd00:96::b"])),
    (SERVICES, service("four", HTTPS, clusterIP="10.96.0.12", clusterIPs=["10.96.0.12"])),
    (SERVICES, service("six", UNNAMED, clusterIP="fd00:96::c", clusterIPs=["fd00:96::c"])),
    (SERVICES, service("headless", HTTPS, clusterIP="None", clusterIPs=["None"])),
    (ENDPOINTSLICES, endpoint_slice("headless", [HTTPS], endpoint("10.244.0.1", hostname="my-pet"), endpoint("10.244.0.2"))),
    (
        ENDPOINTSLICES,
        slice6("headless", [HTTPS], endpoint("fd00:244::1", hostname="my-pet"), endpoint("fd00:244::3", hostname="sick", ready=False)),
    ),
    (SERVICES, service("early", HTTPS, clusterIP="None", publishNotReadyAddresses=True)),
    (ENDPOINTSLICES, endpoint_slice("early", [HTTPS], endpoint("10.244.0.9", hostname="e", ready=False))),
    (SERVICES, service("none", HTTPS, clusterIP="None")),
    (SERVICES, service("away", type="ExternalName", clusterIP="", externalName="www.example.com")),
]
HEADLESS = f"headless.default.{ORIGIN}"

PARAGRAPHS: list[tuple[str, str, str, list[str]]] = [
    ("2.2 schema version", "dns-version.cluster.local", "TXT", ['"1.1.0"']),
    ("2.3.1 A", f"both.default.{ORIGIN}", "A", ["10.96.0.11"]),
    ("2.3.1 AAAA", f"both.default.{ORIGIN}", "AAAA", ["fd00:96::b"]),
    ("2.3.1 no AAAA of a service with IPv4 alone, which is there", f"four.default.{ORIGIN}", "AAAA", []),
    ("2.3.1 no A of a service with IPv6 alone, which is there", f"six.default.{ORIGIN}", "A", []),
    ("2.1 comparisons are case-insensitive", f"BoTh.DEFAULT.{ORIGIN.upper()}", "A", ["10.96.0.11"]),
    ("2.3.2 SRV", f"_https._tcp.both.default.{ORIGIN}", "SRV", [f"0 100 443 both.default.{ORIGIN}."]),
    ("2.3.2 no SRV of an unnamed port", f"_._tcp.six.default.{ORIGIN}", "SRV", ["NXDOMAIN"]),
    ("2.3.2 no SRV of another protocol", f"_https._udp.both.default.{ORIGIN}", "SRV", ["NXDOMAIN"]),
    ("2.3.2 below the protocol lie the names of its ports", f"_tcp.both.default.{ORIGIN}", "SRV", []),
    ("2.3.2 no port of a protocol, no name", f"_udp.both.default.{ORIGIN}", "SRV", ["NXDOMAIN"]),
    ("2.3.3 PTR", "11.0.96.10.in-addr.arpa", "PTR", [f"both.default.{ORIGIN}."]),
    ("2.3.3 PTR, IPv6", "b." + "0." * 23 + "6.9.0.0.0.0.d.f.ip6.arpa", "PTR", [f"both.default.{ORIGIN}."]),
    ("2.4.1 A of each ready endpoint", HEADLESS, "A", ["10.244.0.1", "10.244.0.2"]),
    ("2.4.1 AAAA of each ready endpoint", HEADLESS, "AAAA", ["fd00:244::1"]),
    ("2.4.1 without a ready endpoint", f"none.default.{ORIGIN}", "A", ["NXDOMAIN"]),
    ("2.1 ready: as the service says", f"early.default.{ORIGIN}", "A", ["10.244.0.9"]),
    ("2.4.1 a hostname's A", f"my-pet.{HEADLESS}", "A", ["10.244.0.1"]),
    ("2.4.1 a hostname's AAAA", f"my-pet.{HEADLESS}", "AAAA", ["fd00:244::1"]),
    ("2.4.1 a name that is made, where there is no hostname", f"10-244-0-2.{HEADLESS}", "A", ["10.244.0.2"]),
    ("2.4.1 a hostname that is not ready", f"sick.{HEADLESS}", "AAAA", ["NXDOMAIN"]),
    (
        "2.4.2 SRV",
        f"_https._tcp.{HEADLESS}",
        "SRV",
        [f"0 33 443 10-244-0-2.{HEADLESS}.", f"0 33 443 my-pet.{HEADLESS}."],
    ),
    ("2.4.3 PTR", "1.0.244.10.in-addr.arpa", "PTR", [f"my-pet.{HEADLESS}."]),
    ("2.4.3 PTR, IPv6", "1." + "0." * 23 + "4.4.2.0.0.0.d.f.ip6.arpa", "PTR", [f"my-pet.{HEADLESS}."]),
    ("2.4.3 no PTR of an endpoint that is not ready", "3." + "0." * 23 + "4.4.2.0.0.0.d.f.ip6.arpa", "PTR", ["NXDOMAIN"]),
    ("2.4.3 PTR, ready as the service says", "9.0.244.10.in-addr.arpa", "PTR", [f"e.early.default.{ORIGIN}."]),
    ("2.5 CNAME", f"away.default.{ORIGIN}", "CNAME", ["www.example.com."]),
    ("2.6 a pod's A", "1-2-3-4.default.pod.cluster.local", "A", ["1.2.3.4"]),
    ("2.6 a pod's AAAA", "fd00-244--1.default.pod.cluster.local", "AAAA", ["fd00:244::1"]),
    ("2.6 all groups written", "fd00-244-0-0-0-0-0-1.default.pod.cluster.local", "AAAA", ["fd00:244::1"]),
    ("2.6 a pod's name has one family", "fd00-244--1.default.pod.cluster.local", "A", []),
    ("2.6 no namespace, no pod", "1-2-3-4.other.pod.cluster.local", "A", ["NXDOMAIN"]),
    ("2.6 no address", "1-2-3.default.pod.cluster.local", "A", ["NXDOMAIN"]),
]


@pytest.mark.parametrize(("paragraph", "name", "type_", "expected"), PARAGRAPHS, ids=[each[0] for each in PARAGRAPHS])
async def test_the_specification_holds(paragraph: str, name: str, type_: str, expected: list[str]) -> None:
    async with served(*OBJECTS) as asked:
        # Twice: out of the objects, and out of the cache of answers.
        assert [await asked.ask(name, type_) for _ in range(2)] == [expected, expected], paragraph


async def test_srv_answers_carry_the_addresses_of_both_families() -> None:
    async with served(*OBJECTS) as asked:
        message = await asked.message(f"_https._tcp.both.default.{ORIGIN}", "SRV")
        assert sorted(str(rdata) for rrset in message.additional for rdata in rrset) == ["10.96.0.11", "fd00:96::b"]


@pytest.mark.parametrize("name", ["cluster.local", "svc.cluster.local", f"default.{ORIGIN}", "pod.cluster.local", "96.10.in-addr.arpa"])
async def test_names_with_others_below_them_are_there_without_records(name: str) -> None:
    async with served(*OBJECTS) as asked:
        message = await asked.message(name, "A")
        assert (message.rcode(), message.answer, len(message.authority)) == (dns.rcode.NOERROR, [], 1)


async def test_the_zone_has_a_server_with_both_addresses() -> None:
    async with served(*OBJECTS) as asked:
        assert await asked.ask("cluster.local", "NS") == ["ns.dns.cluster.local."]
        assert await asked.ask("ns.dns.cluster.local", "A") == ["10.96.0.10"]
        assert await asked.ask("ns.dns.cluster.local", "AAAA") == ["fd00:96::a"]
        (soa,) = (await asked.message("cluster.local", "SOA")).answer[0]
        assert soa.mname.to_text() == "ns.dns.cluster.local."


@pytest.mark.parametrize(
    ("wanted", "code"),
    [({"edns": 0}, "NOERROR"), ({"edns": 1}, "BADVERS"), ({"edns": 0, "want_dnssec": True}, "NOERROR")],
)
async def test_edns_is_answered_as_it_was_asked(wanted: dict[str, Any], code: str) -> None:
    async with served(*OBJECTS) as asked:
        query = dns.message.make_query(f"both.default.{ORIGIN}", "A", use_edns=wanted["edns"], want_dnssec=wanted.get("want_dnssec", False))
        if wanted["edns"]:
            query.use_edns(1)
        answer = await dns.asyncquery.udp(query, "127.0.0.1", port=asked.port, timeout=8)
        assert (dns.rcode.to_text(answer.rcode()), answer.edns) == (code, 0)
        assert bool(answer.ednsflags & dns.flags.DO) == wanted.get("want_dnssec", False)


async def test_the_spelling_of_a_question_comes_back_as_it_was() -> None:
    async with served(*OBJECTS) as asked:
        for spelling in (f"BoTH.dEFault.{ORIGIN}", f"both.default.{ORIGIN}", f"BOTH.default.{ORIGIN}"):
            assert (await asked.message(spelling)).question[0].name.to_text(omit_final_dot=True) == spelling


async def test_endpoints_that_are_names_leave_the_others_of_their_service_as_they_are() -> None:
    named = {**slice6("web", []), "addressType": "FQDN", "endpoints": [{"addresses": ["example.com"], "conditions": {"ready": True}}]}
    async with served((SERVICES, service("web", clusterIP="None")), (ENDPOINTSLICES, named)) as cluster:
        assert await cluster.ask(f"web.default.{ORIGIN}") == ["NXDOMAIN"]
        ready = {"addresses": ["10.244.0.5"], "conditions": {"ready": True}}
        await cluster.cluster.put(ENDPOINTSLICES, endpoint_slice("web", [], ready))
        await asyncio.sleep(0.1)
        assert await cluster.ask(f"web.default.{ORIGIN}", "A") == ["10.244.0.5"]


async def test_an_address_that_is_none_costs_its_own_name_the_answer() -> None:
    odd = slice6("web", [], {"addresses": ["no address"], "conditions": {"ready": True}})
    async with served((SERVICES, service("web", clusterIP="None")), (ENDPOINTSLICES, odd)) as cluster:
        for tcp in (False, True):
            assert await cluster.ask(f"web.default.{ORIGIN}", "A", tcp=tcp) == ["SERVFAIL"]


@pytest.mark.parametrize("type_", ["AXFR", "IXFR", "OPT", "TSIG", "TKEY", "MAILA", "MAILB"])
async def test_what_is_no_record_is_refused_and_asked_of_nobody(type_: str) -> None:
    async with authority() as (upstream, asked), served(upstream=(upstream,)) as cluster:
        for name in ("cluster.local", "example.org"):
            question = codec.query(codec.name_of(name), dns.rdatatype.from_text(type_), 7)
            answer = cluster.resolver.answer(question, stream=True)
            assert isinstance(answer, bytes)
            assert answer[3] & 0xF == codec.REFUSED
        assert asked.asked == []
