"""The operator's side of the talk with members: who they are, what they said, what they are told."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import agents, labels, orders
from pilothouse.platform.databases.mysql.agents import Agents, Place
from pilothouse.platform.databases.mysql.leading import PRIMARY
from pilothouse.platform.databases.mysql.observer import CALM_S, Observer
from pilothouse.platform.databases.mysql.tls import OPERATOR_DAYS, Files
from pilothouse.platform.databases.mysql.topology.member import Member

RENEWED_S = OPERATOR_DAYS * 86_400 * 2 / 3


@dataclass(frozen=True, slots=True)
class _Identity:
    """By which the operator is known to one instance. root: the authority's certificate. until: seconds of the epoch."""

    root: bytes
    until: float
    context: ssl.SSLContext


class Reaching:
    """changed: called with the key of an instance of whose members something new is known. place: where a pod's agent is.

    calm_s: for how long there must be no news before members rest.
    """

    def __init__(self, changed: Callable[[str], None], place: Callable[[Object], Place | None] = Place.of, calm_s: float = CALM_S) -> None:
        self._agents = Agents()
        self._observer = Observer(self._agents, changed, calm_s)
        self._place = place
        self._identities: dict[str, _Identity] = {}

    async def watch(self, key: str, pods: Mapping[str, Object], root: Files) -> None:
        """Listen to the agents of these pods, and no others of the instance. root: see `tls.new_root`.

        What they said last is old when they rest: they are asked anew, and nothing is known until then.
        """
        places = {meta.uid(pod): place for pod in pods.values() if (place := self._place(pod)) is not None}
        self._observer.watch(key, places, await self._context(key, root))
        self._observer.rouse(key)

    def settle(self, key: str) -> None:
        """Nothing is to come: members may rest, and tell by themselves when something does."""
        self._observer.settle(key)

    def has_news(self, key: str, since_s: float) -> bool:
        """Whether anything new was heard within so many seconds, or nobody was heard yet."""
        return self._observer.has_news(key, since_s)

    def forget(self, key: str) -> None:
        self._observer.forget(key)
        self._identities.pop(key, None)

    def is_blind(self, key: str) -> bool:
        """Whether it is not known yet how members are now, as when the operator has just begun: to judge them would be wrong."""
        return self._observer.is_waiting(key)

    def member(self, key: str, name: str, pod: Object | None) -> Member:
        heard = self._observer.heard(key, meta.uid(pod)) if pod is not None else None
        leaves = pod is not None and meta.is_deleting(pod)
        is_led = pod is not None and meta.labels(pod).get(labels.ROLE) == PRIMARY
        if heard is None or heard.state is None:
            return Member(name, leaves=leaves, is_led=is_led)
        now = asyncio.get_running_loop().time()
        earlier = Member(name, now - heard.before_at, heard.before, leaves, is_led) if heard.before is not None else None
        return Member(name, now - heard.at, heard.state, leaves, is_led, earlier=earlier)

    def tell(self, key: str, pods: Mapping[str, Object], documents: Mapping[str, bytes]) -> list[str]:
        """Send to each member the document that it does not have yet, beside the round that asks for it.

        Returns what stands in the way for good, as sentences.
        """
        asked = [self._tell(key, pods[name], document) for name, document in documents.items() if name in pods]
        return [said for said in asked if said]

    def obeys(self, key: str, pod: Object, document: bytes) -> bool:
        """Whether it has done all of it."""
        heard = self._observer.heard(key, meta.uid(pod))
        state = heard.state if heard is not None else None
        return state is not None and bool(state.get("applied")) and state.get("wanted") == orders.digest(document)

    async def close(self) -> None:
        await self._observer.close()
        await self._agents.close()

    def _tell(self, key: str, pod: Object, document: bytes) -> str:
        heard = self._observer.heard(key, meta.uid(pod))
        if heard is None or heard.state is None or heard.error or heard.state.get("wanted") == orders.digest(document):
            return ""
        return self._observer.tell(key, meta.uid(pod), document)

    async def _context(self, key: str, root: Files) -> ssl.SSLContext:
        known, now = self._identities.get(key), time.time()
        if known is None or known.root != root["ca.crt"] or known.until < now:
            context = await asyncio.to_thread(agents.context, root, now)
            known = self._identities[key] = _Identity(root["ca.crt"], now + RENEWED_S, context)
        return known.context
