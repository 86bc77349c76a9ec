"""Answers of upstream servers, kept: messages made by dnspython, a clock that the test turns."""

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from pilothouse.network.dns import codec
from pilothouse.network.dns.cache import LONGEST_NEGATIVE_S, LONGEST_S, Cache
from pilothouse.network.dns.codec import Question
from pilothouse.network.dns.upstream import NoAnswer


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(now=clock)


def asked(name: str = "example.org", type_: str = "A", **more: Any) -> tuple[dns.message.Message, Question]:
    message = dns.message.make_query(name, type_, **more)
    return message, codec.parse(message.to_wire())


def answered(query: dns.message.Message, *records: str, code: str = "NOERROR", soa: str = "") -> bytes:
    """records: `name ttl type data`. soa: TTL and minimum."""
    answer = dns.message.make_response(query, recursion_available=True)
    if query.edns >= 0:
        answer.use_edns(0, ednsflags=query.ednsflags)
    answer.set_rcode(dns.rcode.from_text(code))
    for record in records:
        name, ttl, type_, data = record.split(" ", 3)
        answer.answer.append(dns.rrset.from_text(name, int(ttl), "IN", type_, data))
    if soa:
        ttl, minimum = soa.split()
        answer.authority.append(dns.rrset.from_text("org.", int(ttl), "IN", "SOA", f"ns.org. host.org. 1 7200 900 1209600 {minimum}"))
    return answer.to_wire()


def kept(cache: Cache, question: Question) -> dns.message.Message | None:
    found = cache.get(question)
    return None if found is None else dns.message.from_wire(found)


def test_an_answer_is_kept_for_its_shortest_ttl_and_says_what_is_left_of_it(cache: Cache, clock: Clock) -> None:
    query, question = asked("www.example.org")
    cache.put(question, answered(query, "www.example.org. 60 CNAME web.example.org.", "web.example.org. 50 A 192.0.2.1"))
    clock.now_s += 20
    _, again = asked("WWW.Example.org", id=7)
    found = kept(cache, again)
    assert found is not None
    assert (found.id, found.question[0].name.to_text()) == (7, "WWW.Example.org.")
    assert [(rrset.ttl, rrset[0].to_text()) for rrset in found.answer] == [(40, "web.Example.org."), (30, "192.0.2.1")]
    clock.now_s += 30
    assert kept(cache, again) is None
    assert (len(cache), cache.size_bytes) == (0, 0)


@pytest.mark.parametrize("code", ["NXDOMAIN", "NOERROR"])
@pytest.mark.parametrize(("soa", "held_s"), [("20 9", 9), ("9 20", 9), ("86400 86400", LONGEST_NEGATIVE_S)])
def test_a_negative_answer_is_kept_as_long_as_its_soa_says(cache: Cache, clock: Clock, code: str, soa: str, held_s: int) -> None:
    query, question = asked("none.example.org")
    cache.put(question, answered(query, code=code, soa=soa))
    clock.now_s += held_s - 1
    found = kept(cache, question)
    assert found is not None
    assert found.rcode() == dns.rcode.from_text(code)
    clock.now_s += 1
    assert kept(cache, question) is None


def test_a_cname_without_its_target_is_a_negative_answer(cache: Cache, clock: Clock) -> None:
    query, question = asked("www.example.org", "AAAA")
    cache.put(question, answered(query, "www.example.org. 3600 CNAME web.example.org.", soa="5 5"))
    clock.now_s += 5
    assert kept(cache, question) is None


def test_long_ttls_are_cut(cache: Cache, clock: Clock) -> None:
    query, question = asked()
    cache.put(question, answered(query, "example.org. 4000000000 A 192.0.2.1"))
    clock.now_s += LONGEST_S
    assert kept(cache, question) is None


def test_what_says_nothing_of_its_life_is_not_kept(cache: Cache) -> None:
    query, question = asked()
    truncated = dns.message.from_wire(answered(query, "example.org. 60 A 192.0.2.1"))
    truncated.flags |= dns.flags.TC
    for answer in (
        answered(query, code="NXDOMAIN"),
        answered(query),
        answered(query, "example.org. 0 A 192.0.2.1"),
        answered(query, "example.org. 60 A 192.0.2.1", code="SERVFAIL"),
        answered(query, code="REFUSED", soa="60 60"),
        truncated.to_wire(),
        answered(query, "example.org. 60 A 192.0.2.1")[:-1],
        b"",
    ):
        cache.put(question, answer)
    assert len(cache) == 0


def test_questions_that_differ_in_more_than_their_case_have_answers_of_their_own(cache: Cache) -> None:
    query, question = asked()
    cache.put(question, answered(query, "example.org. 60 A 192.0.2.1"))
    others = [
        asked("example.org", "AAAA"),
        asked("example.com"),
        asked("example.org", "A", use_edns=0),
        asked("example.org", "A", flags=dns.flags.RD | dns.flags.CD),
        asked("example.org", "A", flags=0),
        asked("example.org", "A", want_dnssec=True),
    ]
    assert [kept(cache, other) for _, other in others] == [None] * len(others)


def test_the_opt_record_of_an_answer_keeps_its_flags(cache: Cache, clock: Clock) -> None:
    query, question = asked(want_dnssec=True)
    cache.put(question, answered(query, "example.org. 60 A 192.0.2.1"))
    clock.now_s += 10
    found = kept(cache, question)
    assert found is not None
    assert found.ednsflags & dns.flags.DO


def test_what_was_asked_with_options_is_meant_for_one_asker(cache: Cache) -> None:
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    query, question = asked(use_edns=0, options=[cookie])
    cache.put(question, answered(query, "example.org. 60 A 192.0.2.1"))
    assert len(cache) == 0


def test_an_answer_that_is_too_long_for_the_asker_is_asked_for_again(cache: Cache) -> None:
    query, question = asked()
    answer = answered(query, *(f"example.org. 60 A 192.0.2.{number}" for number in range(1, 60)))
    cache.put(question, answer)
    assert cache.get(question, limit_bytes=512) is None
    assert cache.get(question, limit_bytes=len(answer)) is not None


def test_entries_and_bytes_are_bounded_and_what_was_not_used_longest_goes_first(clock: Clock) -> None:
    cache = Cache(most_entries=3, most_bytes=1 << 20, now=clock)
    questions = [asked(f"n{number}.example.org") for number in range(4)]
    for number, (query, question) in enumerate(questions):
        cache.put(question, answered(query, f"n{number}.example.org. 60 A 192.0.2.1"))
        kept(cache, questions[0][1])
    assert [kept(cache, question) is not None for _, question in questions] == [True, False, True, True]
    small = Cache(most_bytes=cache.size_bytes // 3 * 2, now=clock)
    for number, (query, question) in enumerate(questions):
        small.put(question, answered(query, f"n{number}.example.org. 60 A 192.0.2.1"))
    assert len(small) == 2


async def test_those_who_ask_the_same_meanwhile_share_one_question(cache: Cache) -> None:
    query, _ = asked()
    went, count = asyncio.Event(), 0

    async def fetch() -> bytes:
        nonlocal count
        count += 1
        await went.wait()
        return answered(query, "example.org. 0 A 192.0.2.1")

    questions = [asked(name, id=number)[1] for number, name in enumerate(("example.org", "EXAMPLE.org", "example.ORG"))]
    tasks = [asyncio.ensure_future(cache.ask(question, limit_bytes=512, fetch=fetch)) for question in questions]
    await asyncio.sleep(0)
    went.set()
    answers = [dns.message.from_wire(answer) for answer in (await asyncio.gather(*tasks))[1:]]
    assert count == 1
    assert [(answer.id, answer.question[0].name.to_text()) for answer in answers] == [(1, "EXAMPLE.org."), (2, "example.ORG.")]


async def test_a_failure_is_told_to_all_who_wait_and_forgotten(cache: Cache) -> None:
    went, count = asyncio.Event(), 0

    async def fetch() -> bytes:
        nonlocal count
        count += 1
        await went.wait()
        raise NoAnswer("nobody answers")

    _, question = asked()
    tasks = [asyncio.ensure_future(cache.ask(question, limit_bytes=512, fetch=fetch)) for _ in range(3)]
    await asyncio.sleep(0)
    went.set()
    assert [type(found) for found in await asyncio.gather(*tasks, return_exceptions=True)] == [NoAnswer] * 3
    with pytest.raises(NoAnswer):
        await cache.ask(question, limit_bytes=512, fetch=fetch)
    assert count == 2


async def test_when_the_one_who_asked_gives_up_another_one_asks(cache: Cache) -> None:
    query, question = asked()
    went = asyncio.Event()

    async def fetch() -> bytes:
        await went.wait()
        return answered(query, "example.org. 60 A 192.0.2.1")

    first, second = (asyncio.ensure_future(cache.ask(question, limit_bytes=512, fetch=fetch)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    went.set()
    assert await second
    assert first.cancelled()


async def test_types_whose_numbers_differ_as_letters_do_are_different_questions(cache: Cache) -> None:
    """65 and 97, which are A and a in ASCII."""
    query, question = asked(type_="TYPE97")
    cache.put(question, answered(query, soa="60 60"))
    assert kept(cache, question) is not None
    assert kept(cache, asked(type_="HTTPS")[1]) is None


async def test_an_asker_cannot_have_one_question_asked_a_thousand_times_by_naming_sizes(cache: Cache) -> None:
    """Each would be a chance more for who guesses identifier and port of an answer."""
    fetched, go = 0, asyncio.Event()

    async def fetch() -> bytes:
        nonlocal fetched
        fetched += 1
        await go.wait()
        return answered(query, "example.org. 60 A 192.0.2.1")

    query, question = asked(use_edns=True)
    asking = [asyncio.ensure_future(cache.ask(question, limit_bytes=limit, fetch=fetch)) for limit in range(512, 1512)]
    await asyncio.sleep(0)
    go.set()
    assert len({await each for each in asking}) == 1
    assert fetched == 2
