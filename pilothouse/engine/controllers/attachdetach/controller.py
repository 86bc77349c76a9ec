"""The attach/detach controller: keeps the VolumeAttachments of each volume as its pods need them, and tells nodes what is attached.

    volume   -> one VolumeAttachment for each node with a pod that wants it; none for others, as soon as they have let it go
    node     -> its status lists no volume that is not attached any more

Who attaches is not this controller's matter: a driver's external-attacher, or the platform in its place, answers in the attachment's
status. Level-triggered: the attachments themselves are the memory, so that a restart forgets nothing but for how long nodes that are
away have been waited for. Source: kubernetes pkg/controller/volume/attachdetach.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.attachdetach import facts, words
from pilothouse.engine.controllers.attachdetach.plan import Action, Attach, Blocked, Detach, Facts, Hide, Plan, Show, Trouble, plan
from pilothouse.engine.controllers.persistentvolume.protection import claims_of
from pilothouse.model import csi, meta
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS

FAILED, SUCCEEDED = "FailedAttachVolume", "SuccessfulAttachVolume"


class AttachDetachController:
    """clock: seconds since the epoch."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._pods = informers.of(PODS, indexes={"claim": claims_of})
        self._nodes = informers.of(NODES)
        self._drivers = informers.of(CSIDRIVERS)
        self._attachments = informers.of(VOLUMEATTACHMENTS, indexes={"volume": _volume_of, "node": _node_of})
        self._unwanted_since: dict[str, float] = {}
        self._of_volumes = Controller("volume attachments", self.reconcile, workers=2)
        self._of_volumes.watches(self._volumes, lambda volume: meta.name(volume) if csi.source_of(volume) else None)
        self._of_volumes.watches(self._attachments, _volume_of)
        self._of_volumes.watches(self._claims, lambda claim: claim["spec"].get("volumeName") or None)
        self._of_volumes.watches(self._pods, self._volumes_of)
        self._of_volumes.watches(self._nodes, self._held_by)
        self._of_volumes.watches(self._drivers, self._volumes_of_driver)
        self._of_nodes = Controller("attached volumes of nodes", self.reconcile_node)
        self._of_nodes.watches(self._nodes, lambda node: meta.name(node) if facts.shown(node) else None)
        self._of_nodes.watches(self._attachments, _node_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            for controller in (self._of_volumes, self._of_nodes):
                await tasks.start(controller.run, name=f"controller of {controller.name}")
            if ready is not None:
                ready.set()

    def _volumes_of(self, pod: Object) -> Iterable[str]:
        claims = (self._claims.get(key) for key in claims_of(pod))
        return [claim["spec"]["volumeName"] for claim in claims if claim is not None and claim["spec"].get("volumeName")]

    def _held_by(self, node: Object) -> Iterable[str]:
        return [name for each in self._attachments.by_index("node", meta.name(node)) for name in _volume_of(each)]

    def _volumes_of_driver(self, driver: Object) -> Iterable[str]:
        return [meta.name(each) for each in self._volumes.items() if (csi.source_of(each) or {}).get("driver") == meta.name(driver)]

    async def reconcile(self, name: str) -> float | None:
        volume = self._volumes.get(name)
        source = csi.source_of(volume) if volume is not None else None
        if volume is None or source is None:
            return None
        found = self._plan(volume, source)
        for action in found.actions:
            await self._carry_out(action, volume, source)
        return found.again_s

    def _plan(self, volume: Object, source: Object) -> Plan:
        driver, handle = source["driver"], source["volumeHandle"]
        held = [each for each in self._attachments.by_index("volume", meta.name(volume)) if _is_ours(each, driver, handle)]
        now = self._clock()
        attachments = [facts.attachment(each, now) for each in held]
        wanted = self._wanted(volume) if csi.needs_attachment(self._drivers.get(driver)) else {}
        places = {each.node for each in attachments} | wanted.keys()
        nodes = {place: node for place in places if (node := self._nodes.get(place)) is not None}
        states = {place: facts.node_state(node, csi.unique_name(driver, handle)) for place, node in nodes.items()}
        unwanted_s = {each.node: self._unwanted_for(each.name, each.node in wanted, now) for each in attachments}
        return plan(Facts(csi.is_exclusive(volume), wanted, attachments, states, unwanted_s))

    def _wanted(self, volume: Object) -> dict[str, list[str]]:
        """Keys of the pods that want the volume, by their nodes."""
        found: dict[str, list[str]] = {}
        for pod in self._users(volume):
            found.setdefault(pod["spec"]["nodeName"], []).append(meta.key(pod))
        return found

    def _users(self, volume: Object) -> list[Object]:
        reference = volume["spec"].get("claimRef") or {}
        key = f"{reference.get('namespace')}/{reference.get('name')}"
        claim = self._claims.get(key)
        if claim is None or meta.uid(claim) != reference.get("uid") or claim["spec"].get("volumeName") != meta.name(volume):
            return []
        return [pod for pod in self._pods.by_index("claim", key) if facts.wants_volumes(pod)]

    def _unwanted_for(self, attachment: str, is_wanted: bool, now: float) -> float:
        if is_wanted:
            self._unwanted_since.pop(attachment, None)
            return 0.0
        return now - self._unwanted_since.setdefault(attachment, now)

    async def _carry_out(self, action: Action, volume: Object, source: Object) -> None:
        name, driver, handle = meta.name(volume), source["driver"], source["volumeHandle"]
        unique = csi.unique_name(driver, handle)
        match action:
            case Attach(node):
                await self._attach(volume, driver, csi.attachment_name(driver, handle, node), node)
            case Detach(node, attachment, is_forced):
                await self._detach(volume, attachment, node, is_forced=is_forced)
            case Show(node):
                await self._list(node, lambda shown: [*shown, unique])
                self._tell(volume, node, "Normal", SUCCEEDED, lambda pod: words.succeeded(name))
            case Hide(node):
                await self._list(node, lambda shown: [each for each in shown if each != unique])
            case Blocked(node, holders):
                self._tell(volume, node, "Warning", FAILED, lambda pod: words.exclusive(name, meta.namespace(pod), holders))
            case Trouble(node, why):
                said = words.failed(name, why or words.late(driver, handle))
                self._tell(volume, node, "Warning", FAILED, lambda pod: said)

    async def _attach(self, volume: Object, driver: str, name: str, node: str) -> None:
        spec = {"attacher": driver, "nodeName": node, "source": {"persistentVolumeName": meta.name(volume)}}
        try:
            await self._client.create(VOLUMEATTACHMENTS, {"metadata": {"name": name}, "spec": spec})
        except AlreadyExists:
            return  # The cache has not seen it yet.

    async def _detach(self, volume: Object, name: str, node: str, *, is_forced: bool) -> None:
        if is_forced:
            why = f"volume is detached from node {node}, which has not said that it uses it no more: the node is away"
            self._recorder.decide(volume, "ForcedDetach", why)
        try:
            await self._client.delete(VOLUMEATTACHMENTS, name)
        except NotFound:
            return
        finally:
            self._unwanted_since.pop(name, None)

    def _tell(self, volume: Object, node: str, type_: str, reason: str, message: Callable[[Object], str]) -> None:
        """Every pod of the node that wants the volume."""
        for pod in self._users(volume):
            if pod["spec"]["nodeName"] == node:
                self._recorder.say(pod, type_, reason, message(pod))

    async def _list(self, name: str, change: Callable[[list[str]], list[str]]) -> None:
        """Refused when the node's status has changed meanwhile: then the next round does it."""
        node = self._nodes.get(name)
        if node is None:
            return
        patch = {
            "metadata": {"resourceVersion": meta.resource_version(node)},
            "status": {"volumesAttached": facts.listed(change(facts.shown(node))) or None},
        }
        try:
            await self._client.patch(NODES, name, patch, subresource="status")
        except NotFound:
            return

    async def reconcile_node(self, name: str) -> float | None:
        """Takes what is listed and has no attachment any more, such as one that somebody has deleted by hand."""
        node = self._nodes.get(name)
        if node is None:
            return None
        listed = facts.shown(node)
        if any(not self._is_attached(each, name) for each in listed):
            await self._list(name, lambda shown: [each for each in shown if self._is_attached(each, name)])
        return None

    def _is_attached(self, unique: str, node: str) -> bool:
        parsed = csi.parse_unique_name(unique)
        return parsed is None or self._attachments.get(csi.attachment_name(*parsed, node)) is not None


def _volume_of(attachment: Object) -> list[str]:
    name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    return [name] if name else []


def _node_of(attachment: Object) -> list[str]:
    return [attachment["spec"].get("nodeName") or ""]


def _is_ours(attachment: Object, driver: str, handle: str) -> bool:
    return meta.name(attachment) == csi.attachment_name(driver, handle, attachment["spec"].get("nodeName") or "")
