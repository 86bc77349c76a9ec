"""How much of their last words the containers of a pod may bring into its status: all together a bounded amount, in equal shares.

Source: kubelet/status (normalizeStatus).
"""

from collections.abc import Iterator

from pilothouse.engine.node.pod import podspec
from pilothouse.model.json import Object

OF_A_POD_BYTES = 12 * 1024


def bound_messages(pod: Object, status: Object) -> None:
    """Shortens, in place, what containers that have ended said; the status has been built for this write alone."""
    limit_bytes = OF_A_POD_BYTES // max(1, len(podspec.all_containers(pod)))
    for ended in _ended(status):
        message = ended.get("message", "")
        if len(message) > limit_bytes or len(message.encode()) > limit_bytes:
            ended["message"] = message.encode()[:limit_bytes].decode(errors="ignore")


def _ended(status: Object) -> Iterator[Object]:
    for kind in podspec.STATUSES:
        for container in status.get(kind) or ():
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                if state.get("terminated"):
                    yield state["terminated"]
