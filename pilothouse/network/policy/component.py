"""The policies of a node as a component: watches NetworkPolicies, and while there are some pods and namespaces, and keeps the rules.

A change goes to the kernel at once; what changes meanwhile goes together in the next transaction. Level-triggered: a transaction
that fails, or a table that someone has flushed, leads to the whole table being written again. A policy that cannot be carried
out allows nothing, and is told so by an Event.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import structlog

from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NETWORKPOLICIES
from pilothouse.model.selector import from_label_selector
from pilothouse.network.policy import kernel
from pilothouse.network.policy.book import Book
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.gate import PATIENCE_S, Gate, NotAdmitted
from pilothouse.network.policy.pods import facts
from pilothouse.network.policy.policy import MOST_OF_NAMESPACE, MOST_POLICIES, MOST_RULES, Policy, parse, size
from pilothouse.network.policy.watch import Watch
from pilothouse.network.policy.world import World

log = structlog.get_logger("network.policy")
T = TypeVar("T")

INSPECT_S = 10.0
RETRY_S = (0.5, 30.0)
REASON = "NetworkPolicyNotEnforced"
_FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError)


class PolicyFailure(Exception):
    """The machine cannot carry out policies; the text says what it lacks."""


class NetworkPolicies:
    """informers: asked for NetworkPolicies when this is made; its client reads pods and namespaces while there are some.

    gate: served while this runs. recorder: hears of the policies that cannot be carried out.
    """

    def __init__(self, informers: Informers, config: NetworkPolicyConfig, gate: Gate, *, recorder: Recorder | None = None) -> None:
        self.config = config
        self._client = informers.client
        self._gate = gate
        self._recorder = recorder
        self._world = World(config)
        self._book = Book(config.table)
        self._watch: Watch | None = None
        self._broken: BaseException | None = None
        self._leases: dict[str, str] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        self._whole = True
        self._failures = 0
        self._looked_at = 0.0
        self._wake = asyncio.Event()
        self._expected: dict[str, asyncio.Future[None]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._policies = informers.of(NETWORKPOLICIES)
        self._policies.on_change(self._policy_changed)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises PolicyFailure when the kernel lacks what is needed. The rules stay when this ends."""
        with ThreadPoolExecutor(1, "network-policy") as thread:
            nft = await _in(thread, open_nft)
            if lacking := await _in(thread, lambda: kernel.missing(nft, self.config)):
                raise PolicyFailure(lacking)
            await self._policies.wait_synced()
            self._gate.serve(self)
            try:
                while True:
                    await self._follow_pods()
                    if await self._apply(thread, nft):
                        ready.set()
                    await self._next_change(thread, nft)
            finally:
                self._gate.serve(None)
                if self._watch is not None:
                    await self._watch.end()

    def teardown(self) -> None:
        """Take the table away. Blocks; call it after `run` has ended."""
        kernel.teardown(self.config)

    async def admit(self, pod: str, uid: str, address: str) -> None:
        """See `gate.Admitting`. A pod whose namespace has no policy waits for nothing."""
        if self._watch is not None and uid:
            self._leases[uid] = address
        if not self._world.has_policies(pod.partition("/")[0]):
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._judged(pod, uid, address)
        except TimeoutError as error:
            self._leases.pop(uid, None)
            raise NotAdmitted(f"the network policies of pod {pod} are not in force yet") from error

    async def _judged(self, pod: str, uid: str, address: str) -> None:
        """Returns when what holds for the pod at that address is in the kernel."""
        while (found := self._seen(pod, uid)) is None:
            news = self._expected.setdefault(pod, asyncio.get_running_loop().create_future())
            await asyncio.shield(news)
        self._leases[meta.uid(found)] = address
        self._world.set_pod(pod, facts(found, self.config, address))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._wake.set()
        await done

    def _seen(self, pod: str, uid: str) -> Object | None:
        """The pod's object, once it is the one that is meant: another one of the name may have been there before."""
        if self._watch is None or not self._watch.is_synced:
            return None
        found = self._watch.pod(pod)
        return found if found is not None and uid in ("", meta.uid(found)) else None

    # What the API server tells.

    def _policy_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        if new is None:
            self._sizes.get(meta.namespace(obj), {}).pop(meta.key(obj), None)
        self._world.set_policy(meta.key(obj), None if new is None else self._parsed(new))
        self._wake.set()

    def _parsed(self, obj: Object) -> Policy:
        try:
            if why := self._too_much(obj):
                self._refuse(obj, why)
                return self._closed(obj)
            return parse(obj)
        except _FAULTS_OF_DATA as error:
            self._refuse(obj, f"no rules can be made of it: {error}")
            return self._closed(obj)

    def _too_much(self, obj: Object) -> str:
        """Why so large a policy cannot be carried out, "" when it can."""
        own, made = self._sizes.setdefault(meta.namespace(obj), {}), size(obj)
        own.pop(meta.key(obj), None)
        if made > MOST_RULES:
            return f"it makes {made} rules, {MOST_RULES} are the most; split it, or name networks and ports by ranges"
        if len(own) >= MOST_POLICIES or sum(own.values()) + made > MOST_OF_NAMESPACE:
            there = f"its namespace has {len(own)} policies with {sum(own.values())} rules"
            return f"{there}; {MOST_POLICIES} and {MOST_OF_NAMESPACE} are the most"
        own[meta.key(obj)] = made
        return ""

    def _closed(self, obj: Object) -> Policy:
        """One that allows nothing, for all pods of the namespace when it cannot be read for which."""
        try:
            pods = from_label_selector(obj["spec"].get("podSelector") or {})
        except _FAULTS_OF_DATA:
            pods = from_label_selector({})
        types = (obj.get("spec") or {}).get("policyTypes") or ["Ingress"]
        return Policy(meta.key(obj), meta.namespace(obj), pods, () if "Ingress" in types else None, () if "Egress" in types else None)

    def _refuse(self, obj: Object, why: str) -> None:
        log.error("a network policy allows nothing", policy=meta.key(obj), why=why)
        if self._recorder is not None:
            self._recorder.say(obj, "Warning", REASON, f"this policy allows nothing: {why}"[:1000])

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        key, uid = meta.key(obj), meta.uid(obj)
        if new is None or (new.get("status") or {}).get("podIP") == self._leases.get(uid):
            self._leases.pop(uid, None)
        self._world.set_pod(key, None if new is None else facts(new, self.config, self._leases.get(uid, "")))
        self._tell(key)
        self._wake.set()

    def _tell(self, pod: str) -> None:
        """Whoever waits for the pod looks again."""
        if (news := self._expected.pop(pod, None)) is not None and not news.done():
            news.set_result(None)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        self._world.set_namespace(meta.name(obj), None if new is None else meta.labels(new))
        self._wake.set()

    async def _follow_pods(self) -> None:
        """Watch for pods while there are policies."""
        if self._broken is not None:
            raise self._broken
        wanted = len(self._policies) > 0
        if wanted and self._watch is None:
            self._watch = Watch(self._client, self._pod_changed, self._namespace_changed, self._watch_failed)
            self._whole = True
        elif not wanted and self._watch is not None:
            await self._watch.end()
            self._watch, self._whole = None, True
            self._world.forget_pods()
        if self._watch is not None and not self._watch.is_synced:
            # Rules for half of the pods would shut out the other half.
            await self._watch.wait_synced()
            for pod in list(self._expected):
                self._tell(pod)

    def _watch_failed(self, error: BaseException) -> None:
        self._broken = error
        self._wake.set()

    # What goes to the kernel.

    async def _next_change(self, thread: ThreadPoolExecutor, nft: Nft) -> None:
        """Until there is something to do: a change, a failure's retry, or a table that is not there any more."""
        if self._failures:
            first_s, most_s = RETRY_S
            await asyncio.sleep(min(first_s * 2 ** min(self._failures - 1, 10), most_s))
            return
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._looked_at + INSPECT_S - loop.time())):
                await self._wake.wait()
        if loop.time() - self._looked_at < INSPECT_S:
            return
        self._looked_at = loop.time()
        if self._watch is not None and not await _in(thread, lambda: self._is_in_place(nft)):
            log.warning("the rules of network policies are gone, perhaps by a reload of the firewall: writing them again")
            self._whole = True

    def _is_in_place(self, nft: Nft) -> bool:
        try:
            return self._book.is_in_place("".join(map(nft.run, self._book.look)))
        except NftFailure:
            return False

    async def _apply(self, thread: ThreadPoolExecutor, nft: Nft) -> bool:
        """Bring the kernel to the world's state. False: it could not be done and is tried again later."""
        began = time.perf_counter()
        self._wake.clear()
        waiting, self._waiting = self._waiting, []
        changed = self._world.take_changed()
        commands = self._commands() if self._whole else self._book.change(self._world, changed)
        try:
            if commands:
                await _in(thread, lambda: nft.run(commands))
        except NftFailure as failure:
            log.error("nftables refuses the policies' rules", error=str(failure), whole=self._whole, failures=self._failures)
            self._failures += self._whole
            self._whole = True
            self._waiting += waiting
            if not self._failures:
                self._wake.set()
            return False
        self._whole, self._failures = False, 0
        for done in waiting:
            if not done.done():
                done.set_result(None)
        if commands:
            log.debug("rules of policies changed", took_ms=round((time.perf_counter() - began) * 1000, 2), bytes=len(commands))
        return True

    def _commands(self) -> str:
        """The whole table; none at all where there is no policy."""
        if self._watch is None:
            self._book = Book(self.config.table)
            return f"add table ip {self.config.table}\ndelete table ip {self.config.table}\n"
        return self._book.whole(self._world)


def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> Awaitable[T]:
    return asyncio.get_running_loop().run_in_executor(thread, work)
