"""Tells the policies what they drop, or would: one Event a policy and direction, kept current while it goes on.

Bounded: an Event is written every 3.5 s at most, 20 in a round and 100 in a round of all nodes together, those first that wait longest; a
message names the five connections with most packets.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder, involved
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS
from pilothouse.model.policy_refusals import DROPPED, WOULD_DROP
from pilothouse.network.policy.noted import Refusal
from pilothouse.network.policy.units import Culprit

log = structlog.get_logger("network.policy")

EVERY_S, QUIET_S, MOST_WRITES, MOST_SHOWN, MOST_DECISIONS = 3.5, 600.0, 20, 5, 50
"""The first is such that a packet is told of within 4 s by who looks every 2 s, which leaves the control plane one to show it."""
MOST_OF_ALL_NODES = 100
"""Events in a round that the nodes of a cluster write when all of them drop: each has its share, and may save up to `MOST_WRITES`."""
MOST_ROUTES = 200
"""Connections of a policy that are told apart until its Event is written; packets of others are counted."""
MOST_KEPT = 2000
"""Policies and directions that are kept in mind; those beyond are told of again as if for the first time."""
_BYTES = 1000


@dataclass(slots=True)
class _Notice:
    """Of one policy in one direction. since: when its packets came; written: when the Event was, by the clock of this part.

    others: packets of connections beyond those that are told apart. rules: names of those that have dropped what waits.
    """

    about: Object
    culprit: Culprit
    waiting: Counter[Refusal] = field(default_factory=Counter)
    others: int = 0
    rules: set[str] = field(default_factory=set)
    since: float = 0.0
    written: float = 0.0
    event: str = ""
    first: float = 0.0
    total: int = 0


class Notices:
    """client: writes Events. policy, pod: find an object by its key, owner: what an address is called. node: who speaks.

    nodes: how many share what may be written.
    """

    def __init__(
        self,
        client: Client,
        recorder: Recorder | None,
        node: str,
        *,
        policy: Callable[[str], Object | None],
        pod: Callable[[str], Object | None],
        owner: Callable[[str], str],
        nodes: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._recorder, self._node = client, recorder, node
        self._policy, self._pod, self._owner, self._clock = policy, pod, owner, clock
        self._stamp = 0
        self._nodes, self._budget = nodes, float(MOST_WRITES)
        self._notices: dict[tuple[str, str, bool], _Notice] = {}

    def take(self, refusals: dict[Refusal, int], culprits: dict[int, Culprit]) -> None:
        """What the kernel has noted; what nobody is responsible for any more is left out."""
        now = self._clock()
        told = 0
        for refusal, packets in _in_turns(refusals):
            culprit = culprits.get(refusal.number)
            if culprit is None:
                continue
            for key in culprit.policies:
                self._add(key, culprit, refusal, packets, now)
            told += 1
            if told <= MOST_DECISIONS:
                self._decide(culprit, refusal)

    def _add(self, key: str, culprit: Culprit, refusal: Refusal, packets: int, now: float) -> None:
        about = self._policy(key)
        if about is None:
            return
        place = (meta.uid(about) or key, culprit.direction, culprit.is_rehearsed)
        notice = self._notices.get(place)
        if notice is None:
            if len(self._notices) >= MOST_KEPT:
                self._notices.pop(next(iter(self._notices)))
            notice = self._notices[place] = _Notice(about, culprit)
        if not notice.waiting:
            notice.since = now
        notice.about, notice.culprit = about, culprit
        if refusal in notice.waiting or len(notice.waiting) < MOST_ROUTES:
            notice.waiting[refusal] += packets
        else:
            notice.others += packets
        if culprit.rule:
            notice.rules.add(culprit.rule)

    def _decide(self, culprit: Culprit, refusal: Refusal) -> None:
        """For `ph why` of the pods at both ends."""
        if self._recorder is None:
            return
        reason = WOULD_DROP if culprit.is_rehearsed else DROPPED
        done = "would be dropped" if culprit.is_rehearsed else "are dropped"
        by = f"{'network policy' if len(culprit.policies) == 1 else 'network policies'} {', '.join(culprit.policies[:3])}"
        message = f"packets {self._route(refusal)} {done} by {by} ({_side(culprit)})"
        for address in (refusal.source, refusal.target):
            if (pod := self._pod(self._owner(address))) is not None:
                self._recorder.decide({**pod, "kind": "Pod"}, reason, message)

    def _route(self, refusal: Refusal) -> str:
        port = f"{refusal.protocol} {refusal.port}" if refusal.port else refusal.protocol
        return f"to {self._name(refusal.target)} ({port}) from {self._name(refusal.source)}"

    def _name(self, address: str) -> str:
        return self._owner(address) or address

    async def write(self) -> None:
        """Bring the Events to what was taken."""
        now = self._clock()
        for place in [place for place, each in self._notices.items() if not each.waiting and now - each.written > QUIET_S]:
            del self._notices[place]
        self._budget = min(MOST_WRITES, self._budget + MOST_OF_ALL_NODES / max(self._nodes(), 1))
        due = [each for each in self._notices.values() if each.waiting and now - each.written >= EVERY_S]
        for notice in sorted(due, key=lambda each: each.since)[: int(self._budget)]:
            self._budget -= 1
            await self._write(notice, now)

    async def _write(self, notice: _Notice, now: float) -> None:
        message = self._message(notice, max(now - (notice.written or notice.since), 1.0))
        notice.total += notice.waiting.total() + notice.others
        notice.waiting.clear()
        notice.rules.clear()
        notice.others = 0
        notice.written = now
        try:
            if not (notice.event and await self._raise(notice, message, now)):
                await self._create(notice, message, now)
        except ApiError as error:
            # A namespace that ends takes no Events, and a server that is away hears of what comes next.
            log.debug("event of a policy not written", error=error.message)

    async def _raise(self, notice: _Notice, message: str, now: float) -> bool:
        patch = {"count": notice.total, "lastTimestamp": meta.rfc3339(now), "message": message}
        try:
            await self._client.patch(EVENTS, notice.event, patch, namespace=_home(notice.about))
        except NotFound:
            return False
        return True

    async def _create(self, notice: _Notice, message: str, now: float) -> None:
        component = self._recorder.component if self._recorder is not None else "kube-proxy"
        # Both directions of a policy may be written in one round.
        self._stamp = max(self._stamp + 1, int(now * 1e9))
        event: Object = {
            "metadata": {"name": f"{meta.name(notice.about)[:230]}.{self._stamp:x}", "namespace": _home(notice.about)},
            "involvedObject": involved(notice.about),
            "reason": WOULD_DROP if notice.culprit.is_rehearsed else DROPPED,
            "message": message,
            "source": {"component": component, "host": self._node},
            "firstTimestamp": meta.rfc3339(notice.since),
            "lastTimestamp": meta.rfc3339(now),
            "count": notice.total,
            "type": "Normal" if notice.culprit.is_rehearsed else "Warning",
            "reportingComponent": component,
            "reportingInstance": self._node,
        }
        await self._client.create(EVENTS, event, _home(notice.about))
        notice.event = event["metadata"]["name"]

    def _message(self, notice: _Notice, seconds: float) -> str:
        did = "would have dropped" if notice.culprit.is_rehearsed else "dropped"
        total, span = notice.waiting.total() + notice.others, f"in the last {max(round(seconds), 1)} s" if seconds < 60 else "lately"
        shown = notice.waiting.most_common(MOST_SHOWN)
        packets = f"{total} packet{'s' if total != 1 else ''}"
        others = [key for key in notice.culprit.policies if key != meta.key(notice.about)]
        more = f"; together with {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}" if others else ""
        rule = f" by rule {', '.join(sorted(notice.rules)[:3])}" if notice.rules else ""
        if len(notice.waiting) == 1:
            text = f"{_side(notice.culprit)}: {did} {packets} {self._route(shown[0][0])} {span}{rule}{more}"
        else:
            routes = "; ".join(f"{count} {self._route(each)}" for each, count in shown)
            rest = len(notice.waiting) - len(shown)
            others_too = f"; and {'more than ' if notice.others else ''}{rest} more connections" if rest > 0 else ""
            text = f"{_side(notice.culprit)}: {did} {packets} {span}{rule}: {routes}{others_too}{more}"
        return text if len(text) <= _BYTES else text[: _BYTES - 1] + "…"


def _in_turns(refusals: dict[Refusal, int]) -> list[tuple[Refusal, int]]:
    """The first of each who refuses before the second of anybody; of one, those with most packets first."""
    turns: Counter[int] = Counter()
    ranked: list[tuple[int, Refusal, int]] = []
    for refusal, packets in sorted(refusals.items(), key=lambda item: -item[1]):
        ranked.append((turns[refusal.number], refusal, packets))
        turns[refusal.number] += 1
    return [(refusal, packets) for _, refusal, packets in sorted(ranked, key=lambda each: (each[0], -each[2]))]


def _side(culprit: Culprit) -> str:
    return culprit.direction


def _home(about: Object) -> str:
    """The namespace of events about the object; those about cluster-scoped objects are kept in "default"."""
    return meta.namespace(about) or "default"
