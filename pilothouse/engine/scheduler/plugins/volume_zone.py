"""A pod goes to the zone and region that its volumes' labels name, if they name any.

For volumes whose place is stated in labels; others have a node affinity, which `VolumeBinding` goes by. A node without any such label is in
no zone, and is not held to one. Source: kubernetes pkg/scheduler/framework/plugins/volumezone.
"""

from collections.abc import Mapping

from pilothouse.client.informers import Informers
from pilothouse.engine.scheduler.framework.plugin import NodeFilter, Refusal
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, VolumesChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model import meta
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

ELSEWHERE = "node(s) had no available volume zone"
_BETA = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
_LABELS = (*_BETA, *_BETA.values())
_SEPARATOR = "__"
"""Between the zones of a volume that is in several."""


class VolumeZone:
    name = "VolumeZone"
    _refusal = Refusal(name, (ELSEWHERE,), is_final=True)

    def __init__(self, informers: Informers) -> None:
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        wanted = [place for name in pod.shape.claims for place in self._places(f"{pod.namespace}/{name}")]
        if not wanted:
            return None

        def judge(node: NodeInfo) -> Refusal | None:
            if not any(label in node.labels for label in _LABELS):
                return None
            return None if all(_value(node.labels, label) in values for label, values in wanted) else self._refusal

        return judge

    def hint(self, pod: PodInfo, event: Event) -> bool:
        return isinstance(event, VolumesChanged | NodeChanged)

    def _places(self, claim: str) -> list[tuple[str, frozenset[str]]]:
        found = self._claims.get(claim)
        volume = self._volumes.get(found["spec"].get("volumeName") or "") if found is not None else None
        labels = meta.labels(volume) if volume is not None else {}
        return [(label, frozenset(labels[label].split(_SEPARATOR))) for label in _LABELS if label in labels]


def _value(labels: Mapping[str, str], label: str) -> str | None:
    """Of the node, by the label's old name or by its new one."""
    return labels.get(label, labels.get(_BETA.get(label, "")))
