"""Keeps this node's report, and waits for those of others before a pod of this node may be told to end.

With one node in the cluster nothing is written. A report counts for as long as it is seen to change within its Lease's duration, by this
process's clock: nobody waits for a node that is dead for longer than that. Writes come at most every `SETTLE_S`, and every `RENEW_S`
without news.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import structlog

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, LEASES, NODES
from pilothouse.model.node_objects import NAMESPACE, report_name
from pilothouse.network.withdrawal.report import LABEL, Report, addresses, called_off, ready_addresses

log = structlog.get_logger("network.withdrawal")
SETTLE_S, RENEW_S, DURATION_S, RETRY_S = 0.1, 10.0, 30.0, 1.0
PROXY = "service-proxy"
"""The consumer whose revision counts: others are known by the addresses that they route to."""


class Withdrawal:
    """client: signed in as the node, which may write its own report alone. informers: asked for what is needed when this is made.

    barrier: of this process's proxies; it asks here for those of others.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        barrier: EndpointBarrier,
        node: str,
        *,
        now: Callable[[], float] = time.time,
        renew_s: float = RENEW_S,
        duration_s: float = DURATION_S,
    ) -> None:
        self._client = client
        self._barrier = barrier
        self._node = node
        self._now = now
        self._renew_s = renew_s
        self._duration_s = duration_s
        self._nodes = informers.of(NODES)
        self._slices = informers.of(ENDPOINTSLICES, indexes={"endpoint": addresses})
        self._ready: Counter[str] = Counter()
        self._slices.on_change(self._slice_changed)
        self._leases = informers.of(LEASES, namespace=NAMESPACE, label_selector=LABEL)
        self._seen: dict[str, float] = {}
        self._news = asyncio.Event()
        self._waiting: set[asyncio.Event] = set()
        self._leases.on_change(self._lease_changed)
        self._nodes.on_change(lambda old, new: self._news.set() if old is None or new is None else None)

    async def run(self, ready: asyncio.Event) -> None:
        """Until cancelled. While this does not run, nobody is waited for."""
        await self._nodes.wait_synced()
        await self._slices.wait_synced()
        await self._leases.wait_synced()
        self._barrier.elsewhere = self
        self._barrier.on_change = self._news.set
        try:
            ready.set()
            await self._keep()
        finally:
            self._barrier.elsewhere = self._barrier.on_change = None

    async def _keep(self) -> None:
        said, said_at = Report(-1), 0.0
        while True:
            self._news.clear()
            report, now = self._report(), asyncio.get_running_loop().time()
            if self._is_needed() and (report != said or now - said_at >= self._renew_s):
                try:
                    # On a connection that is dead without a word it would take as long as the report counts.
                    async with asyncio.timeout(self._renew_s):
                        await self._write(report)
                except (ApiError, TimeoutError) as error:
                    why = error.message if isinstance(error, ApiError) else f"no answer in {self._renew_s:g} s"
                    log.warning("endpoints not reported", error=why)
                    await asyncio.sleep(RETRY_S)
                    continue
                said, said_at = report, now
            await asyncio.sleep(SETTLE_S)
            try:
                # Alone in the cluster, it has nobody to tell that it is alive; another node is news.
                async with asyncio.timeout(max(self._renew_s - SETTLE_S, 0.0) if self._is_needed() else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _is_needed(self) -> bool:
        return len(self._nodes.items()) > 1

    def _report(self) -> Report:
        """Its revision is taken first: what proxies apply meanwhile makes the addresses fewer."""
        applied = self._barrier.applied(PROXY)
        return Report(applied, frozenset(self._barrier.addresses() - self._ready.keys()))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        """Keeps which addresses are ready in some slice, so that a report does not look through all of them."""
        self._ready.update(ready_addresses([new] if new else []))
        for address in ready_addresses([old] if old else []):
            self._ready[address] -= 1
            if not self._ready[address]:
                del self._ready[address]

    async def _write(self, report: Report) -> None:
        name = report_name(self._node)
        duration_s, now = max(1, int(self._duration_s)), meta.rfc3339_micro(self._now())
        spec = {"holderIdentity": self._node, "leaseDurationSeconds": duration_s, "renewTime": now}
        patch: Object = {"metadata": {"annotations": report.annotations()}, "spec": spec}
        try:
            await self._client.patch(LEASES, name, patch, namespace=NAMESPACE)
        except NotFound:
            node = self._nodes.get(self._node)
            metadata = patch["metadata"] | {"name": name, "namespace": NAMESPACE, "labels": {LABEL: "true"}}
            if node is not None:
                # It goes with the Node: nobody waits for a node that was removed.
                metadata["ownerReferences"] = [meta.owner_reference(node, "v1", "Node", False)]
            try:
                await self._client.create(LEASES, {"metadata": metadata, "spec": spec})
            except AlreadyExists:
                await self._client.patch(LEASES, name, patch, namespace=NAMESPACE)

    async def released(self, address: str, deadline_s: float) -> bool:
        """Whether no proxy of another node that is alive routes to the address any more, or does not within the time."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(deadline_s):
                while self._routing(address):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            log.warning("still routed to by other nodes", address=address, nodes=self._routing(address)[:5])
            return False
        finally:
            self._waiting.discard(changed)
        return True

    def _routing(self, address: str) -> list[str]:
        """The nodes whose proxies may still route there."""
        revision, now = called_off(address, self._slices.by_index("endpoint", address)), asyncio.get_running_loop().time()
        alive = [lease for lease in self._leases.items() if now - self._seen.get(meta.name(lease), now) < self._duration_s]
        others = [lease for lease in alive if meta.name(lease) != report_name(self._node)]
        return [meta.name(lease) for lease in others if not Report.of(lease).has_left(address, revision)]

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:
        lease = new if new is not None else old
        if lease is None:
            return
        if new is None:
            self._seen.pop(meta.name(lease), None)
        else:
            self._seen[meta.name(lease)] = asyncio.get_running_loop().time()
        for changed in self._waiting:
            changed.set()
