"""From a DNS message to its answer: the zone first, the host's name servers for the rest."""

from dataclasses import dataclass
from random import SystemRandom

import structlog

from pilothouse.network.dns import codec
from pilothouse.network.dns.cache import Cache
from pilothouse.network.dns.codec import MalformedMessage, Name, Question, Record
from pilothouse.network.dns.upstream import NoAnswer, Server, Upstream
from pilothouse.network.dns.zone import Found, Zone

log = structlog.get_logger("network.dns")
LONGEST_CHAIN = 8
FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError)
"""What code raises that is given an object of a shape it does not expect."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The answer is not known here. message: to ask with; answers: what is known so far, when a CNAME leads out of the zone."""

    question: Question
    message: bytes
    answers: tuple[Record, ...] = ()
    target: Name = ()


class Resolver:
    """cache: of what upstream has answered; one of its own by default."""

    def __init__(self, zone: Zone, upstream: Upstream, cache: Cache | None = None) -> None:
        self._zone = zone
        self._upstream = upstream
        self._cache = Cache() if cache is None else cache
        self._asked: list[Server] = []

    def answer(self, message: bytes, *, stream: bool) -> bytes | Elsewhere | None:
        """Without waiting. None: the message deserves no answer."""
        try:
            question = codec.parse(message)
        except MalformedMessage as error:
            return None if error.identifier is None else codec.encode_failure(error.identifier, codec.FORMERR)
        if question.opcode:
            return codec.encode(question, codec.NOTIMP, authoritative=False)
        if question.class_ != codec.INTERNET:
            return codec.encode(question, codec.REFUSED, authoritative=False)
        try:
            return self._known(question, message, stream)
        except FAULTS_OF_DATA as error:
            return _senseless(question, error)

    def _known(self, question: Question, message: bytes, stream: bool) -> bytes | Elsewhere:
        address = self._zone.reverse_address(question.name)
        if address is not None:
            found = self._zone.reverse(question.name, address, question.type)
            return self._encoded(question, found, question.name, stream)
        if not self._zone.contains(question.name):
            return self._kept(question, _limit(question, stream)) or Elsewhere(question, message)
        return self._inside(question, stream)

    def _kept(self, question: Question, limit_bytes: int) -> bytes | None:
        """What upstream has answered before, unless it is another upstream by now."""
        servers = self._upstream.known()
        if servers != self._asked:
            self._asked = servers
            self._cache.clear()
        return self._cache.get(question, limit_bytes=limit_bytes)

    async def ask(self, elsewhere: Elsewhere, *, stream: bool) -> bytes:
        """The answer from upstream; SERVFAIL when there is none."""
        try:
            return await self._ask(elsewhere, stream)
        except FAULTS_OF_DATA as error:
            return _senseless(elsewhere.question, error)

    async def _ask(self, elsewhere: Elsewhere, stream: bool) -> bytes:
        question = elsewhere.question
        try:
            if not elsewhere.target:
                return await self._outside(question, elsewhere.message, stream=stream)
            inquiry = codec.query(elsewhere.target, question.type, SystemRandom().randrange(1 << 16))
            code, records = codec.parse_addresses(await self._followed(inquiry, stream=stream))
        except (NoAnswer, MalformedMessage) as error:
            log.debug("name not resolved", name=codec.text_of(question.name), why=str(error))
            return codec.encode(question, codec.SERVFAIL, elsewhere.answers, limit_bytes=_limit(question, stream), authoritative=False)
        return codec.encode(question, code, [*elsewhere.answers, *records], limit_bytes=_limit(question, stream))

    async def _outside(self, question: Question, message: bytes, *, stream: bool) -> bytes:
        """question: the one that the message carries."""
        limit = _limit(question, stream)
        return await self._cache.ask(question, limit_bytes=limit, fetch=lambda: self._upstream.ask(message, stream=stream))

    async def _followed(self, inquiry: bytes, *, stream: bool) -> bytes:
        """The whole answer to a question of our own, whatever its length."""
        question = codec.parse(inquiry)
        known = self._kept(question, codec.STREAM_BYTES)
        if known is not None:
            return known
        answer = await self._outside(question, inquiry, stream=stream)
        return answer if stream or not codec.is_truncated(answer) else await self._outside(question, inquiry, stream=True)

    def _inside(self, question: Question, stream: bool) -> bytes | Elsewhere:
        """Follows CNAMEs (services of type ExternalName) as long as they stay in the zone."""
        chain: list[Record] = []
        name = question.name
        for _ in range(LONGEST_CHAIN):
            found = self._zone.resolve(name, question.type)
            if not found or found[0].type != codec.CNAME or question.type in (codec.CNAME, codec.ANY):
                whole = found if found is None and not chain else [*chain, *(found or ())]
                return self._encoded(question, whole, self._zone.origin, stream)
            chain += found
            target = found[0].value
            assert isinstance(target, tuple)
            if not self._zone.contains(target):
                return Elsewhere(question, b"", tuple(chain), target)
            name = target
        return codec.encode(question, codec.SERVFAIL, authoritative=False)

    def _encoded(self, question: Question, found: Found, owner: Name, stream: bool) -> bytes:
        """owner: of the SOA record by which a negative answer says how long it holds."""
        code = codec.NXDOMAIN if found is None else codec.NOERROR
        authority = [] if found else [self._zone.authority(owner)]
        additional = self._zone.targets(found or ()) if question.type == codec.SRV else ()
        return codec.encode(question, code, found or (), authority, additional, limit_bytes=_limit(question, stream))


def _senseless(question: Question, error: Exception) -> bytes:
    """An object that makes no sense costs its own name an answer, and nobody else anything."""
    log.warning("name cannot be answered", name=codec.text_of(question.name)[:255], error=repr(error)[:255])
    return codec.encode(question, codec.SERVFAIL, authoritative=False)


def _limit(question: Question, stream: bool) -> int:
    return codec.STREAM_BYTES if stream else question.limit_bytes
