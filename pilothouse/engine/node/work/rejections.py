"""How soon a pod that this node cannot take is rejected.

Whoever made it makes another at once: pods of one owner are rejected ever more slowly, so that a ReplicaSet whose pods fit nowhere does
not make them by the hundred.
"""

from collections import OrderedDict

from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.json import Object

FIRST_S, MOST_S, FORGOTTEN_S = 1.0, 300.0, 900.0
_MOST_OWNERS = 1000


class NotYetRejected(RuntimeFailure):
    """The pod waits for its rejection; the message says why it is rejected, and when."""


class Rejections:
    def __init__(self) -> None:
        self._owners: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def due_at(self, pod: Object, now: float) -> float:
        """When the pod may be rejected, counted from the last rejection of its owner's; `now` for a pod without an owner."""
        owner = _owner(pod)
        at, count = self._owners.get(owner, (0.0, 0))
        if not owner or not count or now - at > FORGOTTEN_S:
            return now
        pause_s: float = min(MOST_S, FIRST_S * 2 ** min(count, 16))
        return at + pause_s

    def note(self, pod: Object, now: float) -> None:
        """The pod is rejected now."""
        owner = _owner(pod)
        at, count = self._owners.pop(owner, (0.0, 0))
        if owner:
            self._owners[owner] = (now, 1 if now - at > FORGOTTEN_S else count + 1)
        while len(self._owners) > _MOST_OWNERS:
            self._owners.popitem(last=False)


def _owner(pod: Object) -> str:
    """Uid of what controls the pod; "" for nothing."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(each["uid"]) for each in owners if each.get("controller")), "")
