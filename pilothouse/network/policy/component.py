"""The policies of a node as a component: watches policies, and while there are some pods, namespaces and nodes, and keeps the rules.

A change goes to the kernel at once; what changes meanwhile goes together in the next transaction. Level-triggered: a transaction
that fails, or a table that someone has flushed, leads to the whole table being written again. A policy that cannot be carried
out allows nothing, and is told so by an Event; a node that can carry out none says so by a condition.
"""

import asyncio
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
from pilothouse.network.policy import kernel
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.gate import PATIENCE_S, Gate, NotAdmitted
from pilothouse.network.policy.intake import Intake
from pilothouse.network.policy.notices import Notices
from pilothouse.network.policy.parsing import is_rehearsed
from pilothouse.network.policy.pods import Ranges, addresses, facts, node_facts, pod_networks
from pilothouse.network.policy.table import Lacking, Table
from pilothouse.network.policy.watch import ClusterPolicies, Watch
from pilothouse.network.policy.world import World

log = structlog.get_logger("network.policy")

INSPECT_S, LOOK_S = 10.0, 2.0
"""How often it is looked whether the table is there, and what it has refused."""
RETRY_S = (0.5, 30.0)
CONDITION = "NetworkPolicyEnforced"
SetCondition = Callable[[str, bool, str, str], None]
"""Type, whether it is so, reason, message."""


class PolicyFailure(Exception):
    """The machine cannot carry out policies; the text says what it lacks."""


def _unsaid(type: str, is_true: bool, reason: str, message: str) -> None:
    """Where nobody hears of conditions."""


def is_same(old: Object, new: Object) -> bool:
    """Whether the same is to be carried out."""
    return bool(old.get("spec") == new.get("spec")) and is_rehearsed(old) == is_rehearsed(new) and meta.uid(old) == meta.uid(new)


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
        self._gate, self._say = gate, say
        self._intake = Intake(recorder)
        self._world = World(config)
        self._ranges = Ranges()
        self._watch: Watch | None = None
        self._broken: BaseException | None = None
        self._leases: dict[str, tuple[str, ...]] = {}
        self._whole = True
        self._failures = 0
        self._looked_at = 0.0
        self._wake = asyncio.Event()
        self._expected: dict[str, asyncio.Future[None]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._policies = informers.of(NETWORKPOLICIES)
        self._policies.on_change(self._policy_changed)
        self._of_cluster = ClusterPolicies(self._client, self._policy_changed, self._watch_failed)
        self._notices = Notices(self._client, recorder, config.node, policy=self._policy, pod=self._pod, owner=self._owner)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises PolicyFailure when the kernel lacks what is needed. The rules stay when this ends."""
        with ThreadPoolExecutor(1, "network-policy") as thread:
            try:
                table = await Table.opened(self.config, thread)
            except Lacking as lacking:
                self._say(CONDITION, False, "KernelLacksSupport", str(lacking))
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
        if not self._world.has_policies(pod.partition("/")[0]):
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
        self._world.set_pod(pod, facts(found, self.config, addresses, self._ranges))
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
        if new is None:
            self._intake.forget(obj)
        elif old is not None:
            self._intake.changed(obj)
        self._world.set_policy(meta.key(obj), None if new is None else self._intake.taken(new))
        self._take_beyond(obj)
        self._wake.set()

    def _take_beyond(self, changed: Object) -> None:
        """There may be room now for the first of those for which there was none."""
        for key in self._intake.beyond(meta.namespace(changed))[:1]:
            found = self._policy(key)
            if key != meta.key(changed) and found is not None:
                self._world.set_policy(key, self._intake.taken(found))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        key, uid = meta.key(obj), meta.uid(obj)
        lease = self._leases.get(uid)
        if lease is not None and (new is None or set(lease) <= set(addresses(new.get("status") or {}))):
            del self._leases[uid]
        self._world.set_pod(key, None if new is None else facts(new, self.config, self._leases.get(uid, ()), self._ranges))
        self._tell_of(key)
        self._wake.set()

    def _tell_of(self, pod: str) -> None:
        """Whoever waits for the pod looks again."""
        if (news := self._expected.pop(pod, None)) is not None and not news.done():
            news.set_result(None)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        self._world.set_namespace(meta.name(obj), None if new is None else meta.labels(new))
        self._wake.set()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = meta.name(new or old or {})
        self._world.set_node(name, None if new is None else node_facts(new))
        if self._ranges.set(name, () if new is None else pod_networks(new)) and self._watch is not None and self._watch.is_synced:
            # Whose an address is may be another one's now.
            for pod in self._watch.pods():
                self._pod_changed(pod, pod)
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
            self._world.forget_pods()
        if self._watch is not None and not self._watch.is_synced:
            # Rules for half of the pods would shut out the other half.
            await self._watch.wait_synced()
            for pod in self._watch.pods():
                # Their addresses were taken before all nodes were known.
                self._pod_changed(pod, pod)
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
        table.is_whole |= self._whole
        try:
            if self._watch is not None:
                await table.write(self._world)
            else:
                self._world.take_changed()
                if self._whole:
                    await table.clear()
        except NftFailure as failure:
            self._waiting += waiting
            await self._failed(table, failure)
            return False
        self._whole, self._failures = False, 0
        self._say(CONDITION, True, "RulesInForce", "network policies are carried out")
        for done in waiting:
            if not done.done():
                done.set_result(None)
        return True

    async def _failed(self, table: Table, failure: NftFailure) -> None:
        log.error("nftables refuses the policies' rules", error=str(failure), whole=self._whole, failures=self._failures)
        if not self._whole:
            self._whole = True
            self._wake.set()
            return
        self._failures += 1
        self._say(CONDITION, False, "RulesRefused", f"nftables refuses the rules of network policies: {failure}")
        for key, words in (await table.refused(self._world) if self._watch is not None else {}).items():
            if (obj := self._policy(key)) is not None:
                self._intake.refuse(obj, f"nftables refuses its rules: {words}")
                self._world.set_policy(key, self._intake.taken(obj))

    # What was refused.

    async def _tell(self, table: Table) -> None:
        """Tell policies and pods what is dropped."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._watch is not None:
                self._notices.take(await table.refusals(), dict(self._world.culprits))
                await self._notices.write()

    def _policy(self, key: str) -> Object | None:
        return self._policies.get(key) if "/" in key else self._of_cluster.get(key)

    def _pod(self, key: str) -> Object | None:
        return None if self._watch is None else self._watch.pod(key)

    def _owner(self, address: str) -> str:
        """namespace/name of the pod that has the address, "" when none has."""
        found = self._world.owner(address)
        return "" if found is None else found.key
