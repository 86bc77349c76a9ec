"""A node has only so many volumes of a driver as the driver says (`allocatable.count` of the CSINode).

Counted are the volumes of the pods on the node, each once however many pods share it, and those that are attached there for others. A
claim whose volume is still to be made counts as one of its class's driver.
Source: kubernetes pkg/scheduler/framework/plugins/nodevolumelimits/csi.go.
"""

from collections.abc import Callable, Iterable

from pilothouse.client.informers import Informers
from pilothouse.engine.scheduler.framework.plugin import NodeFilter, Refusal
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft, VolumesChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model import csi
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSINODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES, VOLUMEATTACHMENTS
from pilothouse.model.volumes import class_of

TOO_MANY = "node(s) exceed max volume count"
_Volume = tuple[str, str]
"""(driver, what tells it from the driver's others)."""


class NodeVolumeLimits:
    name = "NodeVolumeLimits"
    _refusal = Refusal(name, (TOO_MANY,))

    def __init__(self, informers: Informers) -> None:
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(STORAGECLASSES)
        self._nodes = informers.of(CSINODES)
        self._attachments = informers.of(VOLUMEATTACHMENTS, indexes={"node": _node_of})
        self.informers = (self._nodes, self._attachments)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever a node may take more volumes than before."""
        for informer in self.informers:
            informer.on_change(lambda old, new: changed())

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        wanted = self._of(pod)
        if not wanted:
            return None

        def judge(node: NodeInfo) -> Refusal | None:
            return self._refusal if self._is_over(wanted, node) else None

        return judge

    def hint(self, pod: PodInfo, event: Event) -> bool:
        return isinstance(event, VolumesChanged | PodLeft | NodeChanged)

    def _is_over(self, wanted: set[_Volume], node: NodeInfo) -> bool:
        limits = {driver: limit for driver, _ in wanted if (limit := self._limit(node.name, driver)) is not None}
        if not limits:
            return False
        there = {volume for each in node.pods.values() for volume in self._of(each)} | self._attached(node.name)
        for driver, limit in limits.items():
            after = {volume for volume in wanted | there if volume[0] == driver}
            if len(after) > limit and any(volume[0] == driver for volume in wanted - there):
                return True
        return False

    def _limit(self, node: str, driver: str) -> int | None:
        found = csi.driver_on(self._nodes.get(node), driver)
        count: int | None = ((found or {}).get("allocatable") or {}).get("count")
        return count

    def _of(self, pod: PodInfo) -> set[_Volume]:
        return {found for name in pod.shape.claims if (found := self._of_claim(f"{pod.namespace}/{name}")) is not None}

    def _of_claim(self, key: str) -> _Volume | None:
        claim = self._claims.get(key)
        if claim is None:
            return None
        if volume := claim["spec"].get("volumeName"):
            return self._of_volume(volume)
        provisioner = (self._classes.get(class_of(claim) or "") or {}).get("provisioner")
        return (provisioner, key) if provisioner else None

    def _of_volume(self, name: str) -> _Volume | None:
        source = csi.source_of(self._volumes.get(name) or {})
        return (source["driver"], source["volumeHandle"]) if source is not None else None

    def _attached(self, node: str) -> set[_Volume]:
        names = (each["spec"]["source"].get("persistentVolumeName") for each in self._attachments.by_index("node", node))
        return {found for name in names if name and (found := self._of_volume(name)) is not None}


def _node_of(attachment: Object) -> Iterable[str]:
    return [attachment["spec"].get("nodeName") or ""]
