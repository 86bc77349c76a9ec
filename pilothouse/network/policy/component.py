"""The policies of a node as a component: watches policies, and while there are some pods, namespaces and nodes, and keeps the rules.

A change goes to the kernel at once; what changes meanwhile goes together in the next transaction. What follows from a change is found out
by the thread that writes it: the event loop only notes what it is told. Level-triggered: a transaction
that fails, or a table that someone has flushed, leads to the whole table being written again. A policy that cannot be carried
out allows nothing, and is told so by an Event; a node that can carry out none says so by a condition.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.linux.nft import NftFailure
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NETWORKPOLICIES
from pilothouse.model.policy_refusals import ENFORCED, in_force, is_rehearsed
from pilothouse.network.policy import kernel
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.gate import PATIENCE_S, Gate, NotAdmitted
from pilothouse.network.policy.intake import REASON
from pilothouse.network.policy.notices import Notices
from pilothouse.network.policy.pods import addresses
from pilothouse.network.policy.state import State
from pilothouse.network.policy.table import Lacking, Table
from pilothouse.network.policy.watch import ClusterPolicies, Watch

log = structlog.get_logger("network.policy")

INSPECT_S, LOOK_S = 10.0, 2.0
"""How often it is looked whether the table is there, and what it has refused."""
RETRY_S = (0.5, 30.0)
SetCondition = Callable[[str, bool, str, str], None]
"""Type, whether it is so, reason, message."""


class PolicyFailure(Exception):
    """The machine cannot carry out policies; the text says what it lacks."""


def _unsaid(type: str, is_true: bool, reason: str, message: str) -> None:
    """Where nobody hears of conditions."""


def is_same(old: Object, new: Object) -> bool:
    """Whether the same is to be carried out, and the same generation of it: the control plane waits until nodes have seen the latest."""
    return all(read(old) == read(new) for read in (lambda each: each.get("spec"), is_rehearsed, meta.uid, meta.generation))


class NetworkPolicies:
    """informers: asked for NetworkPolicies when this is made; its client reads pods and namespaces while there are some.

    gate: served while this runs. recorder: hears of the policies that cannot be carried out. say: hears whether this node carries out
    policies at all.
    """

    def __init__(
        self,
        informers: Informers,
        config: NetworkPolicyConfig,
        gate: Gate,
        *,
        recorder: Recorder | None = None,
        say: SetCondition = _unsaid,
    ) -> None:
        self.config = config
        self._client = informers.client
        self._gate, self._say, self._recorder = gate, say, recorder
        self._told = Backlog()
        self._is_writing = False
        self._complaints: deque[tuple[Object, str]] = deque()
        self._state = State(config, lambda obj, why: self._complaints.append((obj, why)))
        self._policies_of: dict[str, set[str]] = {}
        self._watch: Watch | None = None
        self._broken: BaseException | None = None
        self._leases: dict[str, tuple[str, ...]] = {}
        self._whole = True
        self._failures = 0
        self._looked_at = 0.0
        self._in_force = ""
        self._said_at = -LOOK_S
        self._wake = asyncio.Event()
        self._expected: dict[str, asyncio.Future[None]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._policies = informers.of(NETWORKPOLICIES)
        self._policies.on_change(self._policy_changed)
        self._of_cluster = ClusterPolicies(self._client, self._policy_changed, self._watch_failed)
        self._notices = Notices(
            self._client, recorder, config.node, policy=self._policy, pod=self._pod, owner=self._state.owner, nodes=self._nodes
        )

    async def run(self, ready: asyncio.Event) -> None:
        """Raises PolicyFailure when the kernel lacks what is needed. The rules stay when this ends."""
        with ThreadPoolExecutor(1, "network-policy") as thread:
            try:
                table = await Table.opened(self.config, thread)
            except Lacking as lacking:
                self._say(ENFORCED, False, "KernelLacksSupport", str(lacking))
                raise PolicyFailure(str(lacking)) from lacking
            self._of_cluster.begin()
            try:
                await self._policies.wait_synced()
                await self._of_cluster.wait_known()
                self._gate.serve(self)
                async with scope() as tasks:
                    tasks.spawn(self._tell(table), name="refusals of network policies")
                    await self._keep(table, ready)
            finally:
                table.close()
                self._gate.serve(None)
                await self._of_cluster.end()
                if self._watch is not None:
                    await self._watch.end()

    async def _keep(self, table: Table, ready: asyncio.Event) -> None:
        while True:
            await self._follow_pods()
            if await self._apply(table):
                ready.set()
            await self._next_change(table)

    def teardown(self) -> None:
        """Take the table away. Blocks; call it after `run` has ended."""
        kernel.teardown(self.config)

    async def admit(self, pod: str, uid: str, *addresses: str) -> None:
        """See `gate.Admitting`. A pod whose namespace has no policy waits for nothing."""
        if self._watch is not None and uid:
            self._leases[uid] = addresses
        if not any(self._policies_of.get(namespace) for namespace in (pod.partition("/")[0], "")):
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._judged(pod, uid, addresses)
        except TimeoutError as error:
            self._leases.pop(uid, None)
            raise NotAdmitted(f"the network policies of pod {pod} are not in force yet") from error

    async def _judged(self, pod: str, uid: str, addresses: tuple[str, ...]) -> None:
        """Returns when what holds for the pod at these addresses is in the kernel."""
        while (found := self._seen(pod, uid)) is None:
            news = self._expected.setdefault(pod, asyncio.get_running_loop().create_future())
            await asyncio.shield(news)
        self._leases[meta.uid(found)] = addresses
        self._told.pods[pod] = found, addresses
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
        if old is not None and new is not None and is_same(old, new):
            # What it drops is noted at it.
            return
        key, namespace = meta.key(obj), meta.namespace(obj)
        if new is not None:
            self._policies_of.setdefault(namespace, set()).add(key)
        else:
            self._policies_of.get(namespace, set()).discard(key)
            if not self._policies_of.get(namespace):
                self._policies_of.pop(namespace, None)
        self._told.policy(key, new)
        self._wake.set()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        key, uid = meta.key(obj), meta.uid(obj)
        lease = self._leases.get(uid)
        if lease is not None and (new is None or set(lease) <= set(addresses(new.get("status") or {}))):
            del self._leases[uid]
        self._told.pods[key] = new, self._leases.get(uid, ())
        self._tell_of(key)
        self._wake.set()

    def _tell_of(self, pod: str) -> None:
        """Whoever waits for the pod looks again."""
        if (news := self._expected.pop(pod, None)) is not None and not news.done():
            news.set_result(None)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        self._told.namespaces[meta.name(new or old or {})] = new
        self._wake.set()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        self._told.nodes[meta.name(new or old or {})] = new
        self._wake.set()

    async def _follow_pods(self) -> None:
        """Watch for pods while there are policies."""
        if self._broken is not None:
            raise self._broken
        wanted = len(self._policies) + len(self._of_cluster) > 0
        if wanted and self._watch is None:
            self._watch = Watch(self._client, self._pod_changed, self._namespace_changed, self._node_changed, self._watch_failed)
            self._whole = True
        elif not wanted and self._watch is not None:
            await self._watch.end()
            self._watch, self._whole = None, True
            self._told.forget()
        if self._watch is not None and not self._watch.is_synced:
            # Rules for half of the pods would shut out the other half.
            await self._watch.wait_synced()
            for waiting in list(self._expected):
                self._tell_of(waiting)

    def _watch_failed(self, error: BaseException) -> None:
        self._broken = error
        self._wake.set()

    # What goes to the kernel.

    async def _next_change(self, table: Table) -> None:
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
        if self._watch is not None and not await table.is_in_place():
            log.warning("the rules of network policies are gone, perhaps by a reload of the firewall: writing them again")
            self._whole = True

    async def _apply(self, table: Table) -> bool:
        """Bring the kernel to the world's state. False: it could not be done and is tried again later."""
        self._wake.clear()
        waiting, self._waiting = self._waiting, []
        told, self._told = self._told, Backlog()
        table.is_whole |= self._whole
        self._is_writing = True
        try:
            if self._watch is not None:
                await table.write(self._state, told)
            else:
                await table.take(self._state, told)
                if self._whole:
                    await table.clear()
        except NftFailure as failure:
            self._waiting += waiting
            await self._failed(table, failure)
            return False
        finally:
            self._is_writing = False
            self._complain()
        self._whole, self._failures = False, 0
        self._in_force = in_force(self._state.exceptions, self._state.progress)
        if asyncio.get_running_loop().time() - self._said_at >= LOOK_S:
            self._say_in_force()
        for done in waiting:
            if not done.done():
                done.set_result(None)
        return True

    def _say_in_force(self) -> None:
        """Each time is a write of the Node: at once after a while of quiet, and every `LOOK_S` while policies change."""
        if self._in_force:
            self._say(ENFORCED, True, "RulesInForce", self._in_force)
            self._in_force, self._said_at = "", asyncio.get_running_loop().time()

    def _complain(self) -> None:
        """The authors of policies that are not carried out hear why."""
        while self._complaints:
            obj, why = self._complaints.popleft()
            if self._recorder is not None:
                self._recorder.say(obj, "Warning", REASON, why)

    async def _failed(self, table: Table, failure: NftFailure) -> None:
        log.error("nftables refuses the policies' rules", error=str(failure), whole=self._whole, failures=self._failures)
        if not self._whole:
            self._whole = True
            self._wake.set()
            return
        self._failures += 1
        self._in_force = ""
        self._say(ENFORCED, False, "RulesRefused", f"nftables refuses the rules of network policies: {failure}")
        for key, words in (await table.refused(self._state.world) if self._watch is not None else {}).items():
            if (obj := self._policy(key)) is not None:
                self._told.refuse(key, obj, f"nftables refuses its rules: {words}")

    # What was refused.

    async def _tell(self, table: Table) -> None:
        """Tell policies and pods what is dropped."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._say_in_force()
            if self._watch is not None:
                self._notices.take(*await table.refusals(self._state))
                await self._notices.write()

    def _policy(self, key: str) -> Object | None:
        return self._policies.get(key) if "/" in key else self._of_cluster.get(key)

    def _nodes(self) -> int:
        return 1 if self._watch is None else self._watch.nodes

    def _pod(self, key: str) -> Object | None:
        return None if self._watch is None else self._watch.pod(key)
