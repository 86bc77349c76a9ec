"""From a DNS message to its answer: the configuration's rewrites and hosts, the zone, and other name servers for the rest.

The way to an answer is written once, as a generator that yields what has to be asked elsewhere. As long as the caches know it, it is
driven to its end within the packet's arrival; the first question that they do not know makes a task of it.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import SystemRandom

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.network.dns import codec, metrics
from pilothouse.network.dns.answers import ORDERS, AnswerCache, key_of, parts_of
from pilothouse.network.dns.cache import Cache
from pilothouse.network.dns.codec import MalformedMessage, Name, Question, Record
from pilothouse.network.dns.corefile import Block, Configuration, Forward, default
from pilothouse.network.dns.corefile.rewriting import rewritten
from pilothouse.network.dns.local import Found, Local
from pilothouse.network.dns.logging import QueryLog
from pilothouse.network.dns.searching import SearchPaths
from pilothouse.network.dns.upstream import NoAnswer, Server, Upstream
from pilothouse.network.dns.zone import NAMESPACE_SET, Zone

LONGEST_CHAIN = 8
STALE_AFTER_S = 1.0
"""A stale answer is given when no other has come after so long. Source: RFC 8767 section 5 (1.8 s at most)."""
PREPARE_S = 0.002
"""For so long the event loop is kept by answers that nobody waits for, and then left to others."""
FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError, OSError, struct.error)
"""What code raises that is given an object of a shape it does not expect; OSError for an address that is none."""

Upstreams = Callable[[Forward], Upstream]
log = structlog.get_logger("network.dns")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked elsewhere. message: the same question as bytes; limit_bytes: the longest answer that is of use."""

    block: Block
    question: Question
    message: bytes
    limit_bytes: int
    stream: bool


Way = Generator[Inquiry, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The answer is not known here: `ask` goes on from the first thing that has to be asked."""

    question: Question
    way: Way
    inquiry: Inquiry
    stream: bool


@dataclass(slots=True)
class Trail:
    """What an answer was made of. lasting: by the informers' caches alone; keys: the objects, as the cache of answers knows them.

    asker: whose search path it hangs on, "" for an answer that is everybody's.
    """

    lasting: bool = True
    asker: str = ""
    keys: set[str] = field(default_factory=set)


class Resolver:
    """zone: of the cluster. upstreams: makes the one for a `forward` of the configuration. searches: of the pods of this node.

    cache: of what others have answered. configuration: what holds until `configure`.
    """

    def __init__(
        self,
        zone: Zone,
        upstreams: Upstreams,
        *,
        searches: SearchPaths | None = None,
        cache: Cache | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        self._zone = zone
        self._make = upstreams
        self._searches = searches
        self._cache = Cache() if cache is None else cache
        self._answers = AnswerCache()
        self._upstreams: dict[Forward, Upstream] = {}
        self._asked: Mapping[Forward, list[Server]] = {}
        self._queries = QueryLog()
        zone.on_change(self._forget)
        if searches is not None:
            searches.on_change(self._answers.forget)
        self.configure(configuration or default(zone.ttl_s))

    def configure(self, configuration: Configuration) -> None:
        """From the next question on."""
        self._configuration = configuration
        self._logs = any(block.log for block in configuration.blocks)
        forwards = {block.forward for block in configuration.blocks if block.forward is not None}
        # What is known of servers that stay is kept.
        self._upstreams = {each: self._upstreams.get(each) or self._make(each) for each in forwards}
        self._local = {id(block): Local(self._zone, block) for block in configuration.blocks}
        self._answers.clear()
        self._cache.clear()

    @property
    def answers(self) -> AnswerCache:
        """Answers that hang on the cluster's objects alone."""
        return self._answers

    def quick(self, message: bytes, family: int, asker: str = "") -> bytes | None:
        """The answer to a datagram that has been answered before, if nothing has changed since. family: 1 for IPv4, 2 for IPv6."""
        found = self._answers.get(key_of("", message[2:])) or self._answers.get(key_of(asker, message[2:]))
        if found is None:
            return None
        answer, entry = found
        metrics.requests["udp", family, entry.type] += 1
        metrics.responses[entry.code] += 1
        return message[:2] + answer

    def answer(self, message: bytes, *, stream: bool, asker: str = "") -> bytes | Elsewhere | None:
        """Without waiting. asker: the address that it came from. None: the message deserves no answer."""
        try:
            question = codec.parse(message)
        except MalformedMessage as error:
            return None if error.identifier is None else codec.encode_failure(error.identifier, codec.FORMERR)
        metrics.requests["tcp" if stream else "udp", 2 if ":" in asker else 1, question.type] += 1
        found = self._answered(question, message, stream, asker)
        if isinstance(found, bytes):
            metrics.responses[found[3] & 0xF] += 1
        return found

    def _answered(self, question: Question, message: bytes, stream: bool, asker: str, *, is_asked: bool = True) -> bytes | Elsewhere:
        """is_asked: by somebody, just now."""
        if question.opcode:
            return codec.encode(question, codec.NOTIMP, authoritative=False)
        if question.edns_version:
            return codec.encode(question, codec.BADVERS, authoritative=False)
        if question.class_ != codec.INTERNET or question.type in codec.NOT_ASKED:
            return codec.encode(question, codec.REFUSED, authoritative=False)
        if self._logs and is_asked:
            self._note(question, asker, stream)
        way = self._way(question, message, stream, asker)
        try:
            inquiry = next(way)
            while (known := self._known(inquiry)) is not None:
                metrics.CACHE_HITS.add("denial" if known[3] & 0xF == codec.NXDOMAIN else "success")
                inquiry = way.send(known)
        except StopIteration as done:
            answer: bytes = done.value
            return answer
        except FAULTS_OF_DATA as error:
            return _senseless(question, error)
        metrics.CACHE_MISSES.add()
        return Elsewhere(question, way, inquiry, stream)

    def _known(self, inquiry: Inquiry) -> bytes | None:
        """What another server has answered before, unless others are asked by now."""
        servers = {forward: upstream.known() for forward, upstream in self._upstreams.items()}
        if servers != self._asked:
            self._asked = servers
            self._cache.clear()
        return self._cache.get(inquiry.question, limit_bytes=inquiry.limit_bytes, of=inquiry.block.forward)

    async def prepare(self, keys: Iterable[bytes]) -> None:
        """Have answers kept that others will want, a few at a time. keys: of `answers`; pods whose search paths they hang on are known."""
        began = time.perf_counter()
        for each in keys:
            with contextlib.suppress(MalformedMessage, UnicodeDecodeError):
                asker, question = parts_of(each)
                message = bytes(2) + question
                found = self._answered(codec.parse(message), message, False, asker, is_asked=False)
                if isinstance(found, Elsewhere):
                    found.way.close()
            if time.perf_counter() - began > PREPARE_S:
                await asyncio.sleep(PREPARE_S)
                began = time.perf_counter()

    async def ask(self, elsewhere: Elsewhere, tasks: TaskSet) -> bytes:
        """The answer with the help of other servers; SERVFAIL when they have none. tasks: for what goes on after the answer."""
        answer = await self._asked_for(elsewhere, tasks)
        if not elsewhere.stream and len(answer) > elsewhere.question.limit_bytes:
            answer = codec.cut_off(elsewhere.question, answer)
        metrics.responses[answer[3] & 0xF] += 1
        return answer

    async def _asked_for(self, elsewhere: Elsewhere, tasks: TaskSet) -> bytes:
        way, inquiry = elsewhere.way, elsewhere.inquiry
        try:
            while True:
                try:
                    found = self._known(inquiry) or await self._fetched(inquiry, tasks)
                except NoAnswer as error:
                    self._tell(inquiry, error)
                    inquiry = way.throw(error)
                else:
                    inquiry = way.send(found)
        except StopIteration as done:
            answer: bytes = done.value
            return answer
        except NoAnswer:
            return codec.encode(elsewhere.question, codec.SERVFAIL, authoritative=False)
        except FAULTS_OF_DATA as error:
            return _senseless(elsewhere.question, error)
        finally:
            way.close()

    async def _fetched(self, inquiry: Inquiry, tasks: TaskSet) -> bytes:
        """Raises NoAnswer."""
        forward = inquiry.block.forward
        if forward is None:
            raise NoAnswer("no servers are named for it")
        upstream, question, limit = self._upstreams.get(forward) or self._make(forward), inquiry.question, inquiry.limit_bytes
        stale = self._cache.stale(question, limit_bytes=limit, of=forward) if inquiry.block.stale_s else None
        answer = self._cache.ask(
            question,
            limit_bytes=limit,
            fetch=lambda: upstream.ask(inquiry.message, stream=inquiry.stream or forward.force_tcp),
            longest_s=inquiry.block.longest_s,
            stale_s=inquiry.block.stale_s,
            of=forward,
        )
        return await answer if stale is None else await _soon(tasks.start(_if_any(answer), name="DNS answer"), stale)

    def _way(self, question: Question, message: bytes, stream: bool, asker: str) -> Way:
        block = self._configuration.block_of(question.name)
        if block is None:
            return codec.encode(question, codec.REFUSED, authoritative=False)
        name = rewritten(question.name, block.rewrites) if block.rewrites else question.name
        limit, trail = codec.STREAM_BYTES if stream else question.limit_bytes, Trail()
        if name is question.name and self._local[id(block)].leaves(name):
            answer: bytes = yield Inquiry(block, question, message, limit, stream)
            return answer
        found = yield from self._found(block, name, question.type, trail)
        if found.code == codec.NXDOMAIN and block.autopath and self._searches is not None:
            found = yield from self._completed(block, name, question.type, asker, found, trail)
        if name is not question.name:
            found = replace(found, answers=[replace(each, name=question.name) if each.name == name else each for each in found.answers])
        is_kept = trail.lasting and not stream and not question.has_options
        key = key_of(trail.asker, message[2:])
        answers = _in_turn(found.answers, self._answers.turn(key)) if is_kept else found.answers
        encoded = codec.encode(
            question,
            found.code,
            answers,
            found.authority,
            found.additional,
            limit_bytes=limit,
            authoritative=found.authoritative,
        )
        if is_kept:
            self._answers.put(key, encoded[2:], trail.keys, records=len(answers), type=question.type, code=found.code, asker=asker)
        return encoded

    def _found(self, block: Block, name: Name, type_: int, trail: Trail) -> Generator[Inquiry, bytes, Found]:
        """Follows CNAMEs (services of type ExternalName) as long as they stay inside. Raises NoAnswer only when nothing is known at all."""
        local, chain = self._local[id(block)], list[Record]()
        for _ in range(LONGEST_CHAIN):
            found = local.resolve(name, type_, trail.keys)
            if found is None:
                trail.lasting = False
                return (yield from self._outside(block, name, type_, chain))
            trail.lasting = trail.lasting and found.lasting
            if not found.is_alias_for(type_):
                return replace(found, answers=[*chain, *found.answers])
            chain += found.answers
            target = found.answers[0].value
            assert isinstance(target, tuple)
            # The target is looked up as if somebody had asked for it.
            name, block = target, self._configuration.block_of(target) or block
            local = self._local[id(block)]
        return Found(codec.SERVFAIL, authoritative=False)

    def _outside(self, block: Block, name: Name, type_: int, chain: list[Record]) -> Generator[Inquiry, bytes, Found]:
        inquiry = codec.query(name, type_, SystemRandom().randrange(1 << 16))
        question = codec.parse(inquiry)
        try:
            answer = yield Inquiry(block, question, inquiry, codec.STREAM_BYTES, False)
            if codec.is_truncated(answer):
                answer = yield Inquiry(block, question, inquiry, codec.STREAM_BYTES, True)
            reply = codec.parse_reply(answer)
        except (NoAnswer, MalformedMessage) as error:
            if not chain:
                raise NoAnswer(str(error)) from error
            return Found(codec.SERVFAIL, chain, authoritative=False)
        authority = () if reply.answers and reply.code == codec.NOERROR else reply.negative
        return Found(reply.code, [*chain, *reply.answers], authority, authoritative=bool(chain))

    def _completed(self, block: Block, name: Name, type_: int, asker: str, found: Found, trail: Trail) -> Generator[Inquiry, bytes, Found]:
        """What the asker's resolver would find further on its search path, as the target of an alias; else what was found at first."""
        assert self._searches is not None
        candidates = self._searches.candidates(name, asker)
        if self._searches.may_complete(name):
            # Who asks decides: the next asker of the same name may be another pod's.
            trail.asker, trail.lasting = asker, trail.lasting and bool(asker)
            trail.keys.add(asker)
        for candidate in candidates:
            there = self._configuration.block_of(candidate) or block
            try:
                other = yield from self._found(there, candidate, type_, trail)
            except NoAnswer:
                break
            if other.code == codec.NOERROR:
                metrics.AUTOPATH.add()
                alias = Record(name, codec.CNAME, min((each.ttl_s for each in other.answers), default=block.ttl_s), candidate)
                return replace(other, answers=[alias, *other.answers])
        return found

    def _forget(self, key: str) -> None:
        if key == NAMESPACE_SET:
            self._answers.clear()
        else:
            self._answers.forget(key)

    def _note(self, question: Question, asker: str, stream: bool) -> None:
        block = self._configuration.block_of(question.name)
        if block is not None and block.log:
            self._queries.note(question, asker, stream)

    def _tell(self, inquiry: Inquiry, error: NoAnswer) -> None:
        if inquiry.block.errors:
            self._queries.failed(inquiry.question, str(error))


def _in_turn(answers: Sequence[Record], turn: int) -> Sequence[Record]:
    """Addresses in an order in which another one is the first each time; an alias stays in front of what it stands for."""
    if len(answers) < 2 or any(each.type not in (codec.A, codec.AAAA) for each in answers):
        return answers
    ordered = sorted(answers, key=lambda each: str(each.value))
    start = turn * max(len(ordered) // ORDERS, 1) % len(ordered)
    return ordered[start:] + ordered[:start]


async def _soon(answer: "asyncio.Task[bytes | None]", stale: bytes) -> bytes:
    """The answer, or the stale one where it does not come; a late one is kept for the next asker. Source: RFC 8767 section 5."""
    found = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STALE_AFTER_S):
            found = await asyncio.shield(answer)
    if found is None:
        metrics.STALE.add()
    return found or stale


async def _if_any(answer: Awaitable[bytes]) -> bytes | None:
    try:
        return await answer
    except NoAnswer:
        return None


def _senseless(question: Question, error: Exception) -> bytes:
    """An object that makes no sense costs its own name an answer, and nobody else anything."""
    log.warning("name cannot be answered", name=codec.text_of(question.name)[:255], error=repr(error)[:255])
    return codec.encode(question, codec.SERVFAIL, authoritative=False)
