"""The node's own object and its Lease: registered at once, Ready as soon as runtime and pod network are, alive every ten seconds."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import is_set, scope
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node import facts
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.runtime.seam import Features, Image, Readiness, Runtime, RuntimeFailure
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES, NODES
from pilothouse.model.node_objects import REACHED_BY

log = structlog.get_logger("node.node")

NOT_READY_TAINT, TAINTED_MOST_S = "node.kubernetes.io/not-ready", 3.0
NOT_READY = "node is shutting down"
LEASE_NAMESPACE = "kube-node-lease"
UNREADY_POLL_S, STATUS_S, FULL_STATUS_S, RETRY_S = 0.05, 10.0, 300.0, 1.0
RETRIES_EACH = 4
"""How many times sooner a Lease that could not be renewed is tried again."""
HELD_S = 30.0
"""How old what the runtime said of its images and features may be in a report, as upstream's list of images."""
PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (("KubeletHasNoDiskPressure", "kubelet has no disk pressure"), ("KubeletHasDiskPressure", "kubelet has disk pressure")),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}
"""By condition, what is said while it is not there and while it is: reason and message, upstream's."""


class InUse(Protocol):
    """Volumes that the cluster attaches to nodes, as this node has them in use."""

    def in_use(self) -> list[str]: ...
    def reported(self, names: Iterable[str]) -> None:
        """The Node's status says so now."""
        ...


class NodeStatus:
    """Keeps the Node and its Lease. pressures(): the conditions of pressure that the node has, by type.

    annotations: of the Node, beside those that every node has. volumes: that the cluster attaches.
    """

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        config: NodeConfig,
        recorder: Recorder,
        pressures: Callable[[], Collection[str]],
        annotations: Mapping[str, str] | None = None,
        volumes: InUse | None = None,
    ) -> None:
        self._volumes = volumes
        self._annotations = dict(annotations or {})
        self._client = client
        self._runtime = runtime
        self._config = config
        self._recorder = recorder
        self._pressures = pressures
        self._changed = asyncio.Event()
        self._node: Object = {}
        self._reported: Object = {}
        self._reported_at = 0.0
        self._clock = Steady()
        self._version = ""
        self._held: tuple[list[Image], Features] | None = None
        self._held_at = 0.0
        self._stopping = asyncio.Event()

    async def take_no_more(self) -> None:
        """From now on the node is not ready for pods. Returns when the scheduler can know, or within seconds.

        Pods that controllers make for those that are about to end would only be refused.
        """
        self._stopping.set()
        self._changed.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(TAINTED_MOST_S):
                await self._tainted()

    def take_again(self) -> None:
        """The node goes on after all; its next report says so."""
        self._stopping.clear()

    async def _tainted(self) -> None:
        while True:
            if await self._is_tainted():
                return
            await asyncio.sleep(UNREADY_POLL_S)

    async def _is_tainted(self) -> bool:
        try:
            node = await self._client.get(NODES, self._config.node_name)
        except ApiError:
            return False
        return any(taint["key"] == NOT_READY_TAINT for taint in (node.get("spec") or {}).get("taints") or ())

    def changed(self) -> None:
        """The pressures are others now: that is reported at once."""
        self._changed.set()

    async def run(self, ready: asyncio.Event) -> None:
        """ready: set once the node has been reported Ready."""
        await self._registered()
        async with scope() as tasks:
            tasks.spawn(self._heartbeats(), name="node heartbeats")
            tasks.spawn(self._statuses(ready), name="node status reports")

    async def _registered(self) -> None:
        while True:
            try:
                await self._register()
            except (ApiError, RuntimeFailure) as error:
                log.warning("node not registered", error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _register(self) -> None:
        """Created Ready when it is, so that its first appearance is its last word."""
        config = self._config
        self._version = await self._runtime.version()
        # One that was given, and is still ours when somebody has deleted the Node under us.
        pod_cidrs = list(config.pod_cidrs or (self._node.get("spec") or {}).get("podCIDRs") or ())
        spec = {"podCIDR": pod_cidrs[0], "podCIDRs": pod_cidrs} if pod_cidrs else {}
        annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"} | self._annotations
        annotations |= {REACHED_BY: config.reached_by} if config.reached_by else {}
        metadata = {"name": config.node_name, "labels": facts.labels(config), "annotations": annotations}
        status = await self._status()
        # What an earlier Node of that name said last is no matter to a new one.
        status["allocatable"] = facts.allocatable(config)
        wanted: Object = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}
        try:
            self._node = await self._client.create(NODES, wanted)
        except AlreadyExists:
            # What the node does not say any more goes.
            stated: Object = {REACHED_BY: None} | annotations
            patch = {"metadata": {"labels": metadata["labels"], "annotations": stated}, "spec": spec}
            self._node = await self._client.patch(NODES, config.node_name, patch, type=STRATEGIC_PATCH)
            self._recorder.say(self.reference(), "Normal", "Starting", "Starting kubelet.")

    def reference(self) -> Object:
        """The node as events name it."""
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._config.node_name, "uid": self._config.node_name}}

    async def _statuses(self, ready: asyncio.Event) -> None:
        unready = Backoff(UNREADY_POLL_S, factor=1.2, cap_s=RETRY_S)
        while True:
            try:
                is_ready = await self._report()
            except (ApiError, RuntimeFailure) as error:
                log.warning("node status not written", error=str(error))
                if isinstance(error, NotFound):
                    await self._registered()
                await asyncio.sleep(RETRY_S)
                continue
            if is_ready and not ready.is_set():
                self._recorder.say(self.reference(), "Normal", "NodeReady", f"Node {self._config.node_name} status is now: NodeReady")
                ready.set()
            if is_ready:
                unready.reset()
            await is_set(self._changed, STATUS_S if is_ready or self._stopping.is_set() else unready.next_s())

    async def _report(self) -> bool:
        """Writes the status when something but its time has changed or was changed by somebody else, or when the last report is old."""
        self._changed.clear()
        self._node = await self._client.get(NODES, self._config.node_name)
        status = await self._status()
        said = _without_times(status)
        if said != self._reported or _is_contradicted(status, self._node) or self._clock() - self._reported_at > FULL_STATUS_S:
            await self._client.patch(NODES, self._config.node_name, {"status": _whole(status)}, type=STRATEGIC_PATCH, subresource="status")
            self._reported, self._reported_at = said, self._clock()
        if self._volumes is not None:
            self._volumes.reported(status["volumesInUse"])
        return meta.is_true({"status": status}, "Ready")

    async def _status(self) -> Object:
        config = self._config
        try:
            readiness = await self._runtime.readiness()
            images, features = await self._holdings()
        except RuntimeFailure as error:
            self._held = None
            readiness, images, features = Readiness(False, False, f"container runtime is down: {error}"), [], None
        return {
            "addresses": facts.addresses(config),
            "capacity": facts.capacity(config),
            "allocatable": facts.allocatable(config) | facts.announced(self._node.get("status") or {}),
            "conditions": self._conditions(readiness),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
            "nodeInfo": facts.node_info(self._version),
            "images": facts.image_list(images),
            **facts.runtime_features(features),
            **({} if self._volumes is None else {"volumesInUse": self._volumes.in_use()}),
        }

    async def _holdings(self) -> tuple[list[Image], Features | None]:
        """Asked for anew now and then, and after each failure: a runtime that has come back may be another one."""
        now = self._clock()
        if self._held is None or now - self._held_at >= HELD_S:
            self._held, self._held_at = (await self._runtime.images(), await self._runtime.features()), now
        return self._held

    def _conditions(self, readiness: Readiness) -> list[Object]:
        present = self._pressures()
        result = [self._condition(type, type in present, *said[type in present]) for type, said in PRESSURES.items()]
        is_ready = readiness.runtime and readiness.network
        if self._stopping.is_set():
            return [*result, self._condition("Ready", False, "KubeletNotReady", NOT_READY)]
        message = "kubelet is posting ready status" if is_ready else f"container runtime network not ready: {readiness.message}"
        result.append(self._condition("Ready", is_ready, "KubeletReady" if is_ready else "KubeletNotReady", message))
        return result

    def _condition(self, type: str, true: bool, reason: str, message: str) -> Object:
        now, status = meta.rfc3339(time.time()), "True" if true else "False"
        old = meta.condition(self._node, type) or {}
        kept = old.get("status") == status and old.get("lastTransitionTime")
        times = {"lastHeartbeatTime": now, "lastTransitionTime": old["lastTransitionTime"] if kept else now}
        return {"type": type, "status": status, "reason": reason, "message": message, **times}

    async def _heartbeats(self) -> None:
        every_s = self._config.heartbeat_s
        while True:
            pause_s = every_s
            try:
                # A request on a connection that is dead without a word would take as long as the Lease counts.
                async with asyncio.timeout(every_s):
                    await self._beat()
            except (ApiError, TimeoutError) as error:
                log.warning("lease not renewed", error=error.message if isinstance(error, ApiError) else f"no answer in {every_s:g} s")
                pause_s = every_s / RETRIES_EACH
            await asyncio.sleep(pause_s)

    async def _beat(self) -> None:
        name, now = self._config.node_name, meta.rfc3339_micro(time.time())
        try:
            await self._client.patch(LEASES, name, {"spec": {"renewTime": now}}, namespace=LEASE_NAMESPACE)
        except NotFound:
            spec = {"holderIdentity": name, "leaseDurationSeconds": self._config.lease_s, "renewTime": now}
            metadata: Object = {"name": name, "namespace": LEASE_NAMESPACE}
            if meta.uid(self._node):
                metadata["ownerReferences"] = [meta.owner_reference(self._node, "v1", "Node", False)]
            await self._client.create(LEASES, {"metadata": metadata, "spec": spec})


def _whole(status: Object) -> Object:
    """As a patch: addresses merge by their type, though a node may have several of one. Source: kubernetes component-helpers/node/util."""
    return status | {"addresses": [*status["addresses"], {"$patch": "replace"}]}


def _without_times(status: Object) -> Object:
    conditions = [{key: value for key, value in each.items() if key != "lastHeartbeatTime"} for each in status["conditions"]]
    return status | {"conditions": conditions}


def _is_contradicted(status: Object, node: Object) -> bool:
    """Whether the node's object says otherwise: the node controller writes conditions there when it has not heard of the node."""
    if status.get("volumesInUse", []) != ((node.get("status") or {}).get("volumesInUse") or []):
        return True
    shown = [meta.condition(node, each["type"]) or {} for each in status["conditions"]]
    return any(each["status"] != other.get("status") for each, other in zip(status["conditions"], shown, strict=True))
