"""Shows at NetworkPolicies what nodes say that they have dropped: `kubectl describe` prints a policy's annotations, and no Events of it.

Nodes may say things by Events and may not write policies, so this part gathers them: a line for each node and direction, the latest first.
When the Events end, the annotation goes. Bounded: a policy is written once a second at most, with ten lines, and twenty policies a second
in the order in which they had something to show.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NETWORKPOLICIES
from pilothouse.model.policy_refusals import REASONS, SHOWN

EVERY_S, MOST_LINES, MOST_PER_S = 1.0, 10, 20
_OF_POLICIES = f"involvedObject.kind={NETWORKPOLICIES.kind}"


class PolicyRefusals:
    """Reads the Events of NetworkPolicies alone."""

    def __init__(self, client: Client, informers: Informers, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._written: dict[str, float] = {}
        self._turns: dict[str, float] = {}
        self._last_turn = 0.0
        self._own = Informers(informers.client)
        self._events = self._own.of(EVENTS, field_selector=_OF_POLICIES, indexes={"policy": _policies_of})
        self._policies = informers.of(NETWORKPOLICIES)
        self._controller = Controller("networkpolicy-refusals", self.reconcile)
        self._controller.watches(self._events, _policies_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        if ready is not None:
            ready.set()
        async with scope() as tasks:
            tasks.spawn(self._own.run(), name="events of network policies")
            await self._controller.run()

    async def reconcile(self, key: str) -> float | None:
        policy = self._policies.get(key)
        if policy is None:
            self._forget(key)
            return None
        told = shown(event for event in self._events.by_index("policy", key) if _is_of(event, policy))
        known = meta.annotations(policy)
        changed = {name: told.get(name) for name in SHOWN.values() if told.get(name) != known.get(name)}
        if not changed:
            return None
        wait_s = max(self._written.get(key, 0.0) + EVERY_S, self._turn(key)) - self._clock()
        if wait_s > 0:
            return wait_s
        self._turns.pop(key, None)
        self._written[key] = self._clock()
        try:
            name, namespace = meta.name(policy), meta.namespace(policy)
            await self._client.patch(NETWORKPOLICIES, name, {"metadata": {"annotations": changed}}, namespace=namespace)
        except NotFound:
            self._forget(key)
        return None

    def _turn(self, key: str) -> float:
        """When the policy may be written at the earliest: each has one turn at a time, however often it has something new."""
        if key not in self._turns:
            self._last_turn = self._turns[key] = max(self._clock(), self._last_turn + 1 / MOST_PER_S)
        return self._turns[key]

    def _forget(self, key: str) -> None:
        self._written.pop(key, None)
        self._turns.pop(key, None)


def shown(events: Iterable[Object]) -> dict[str, str]:
    """The annotations that Events of one policy make."""
    found: dict[str, list[Object]] = {}
    for event in events:
        if event.get("reason") in REASONS:
            found.setdefault(SHOWN[event["reason"]], []).append(event)
    return {name: "\n".join(_line(event) for event in sorted(each, key=_last, reverse=True)[:MOST_LINES]) for name, each in found.items()}


def _line(event: Object) -> str:
    """What was dropped stands first: kubectl shows 140 characters of a line."""
    node = (event.get("source") or {}).get("host") or "?"
    times = f"{event.get('count') or 1} since {event.get('firstTimestamp') or '?'}, the last at {_last(event) or '?'}"
    return f"{event.get('message') or ''} (node {node}, {times})"


def _last(event: Object) -> str:
    return str(event.get("lastTimestamp") or "")


def _policies_of(event: Object) -> list[str]:
    about = event.get("involvedObject") or {}
    is_told = about.get("kind") == NETWORKPOLICIES.kind and event.get("reason") in REASONS
    return [f"{about.get('namespace')}/{about.get('name')}"] if is_told else []


def _is_of(event: Object, policy: Object) -> bool:
    """And not of one of the name that was there before."""
    return (event.get("involvedObject") or {}).get("uid") in (None, meta.uid(policy))
