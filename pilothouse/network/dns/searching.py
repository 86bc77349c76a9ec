"""The names that a pod's resolver would ask for next, known from the pod's address: completion on the server's side.

A resolver with `ndots: 5` asks for NAME.NAMESPACE.svc.ZONE first, and each name of its search path after that, in both families. Who
is told the answer at the first question does not ask the others.
Source: CoreDNS, plug-in autopath; Kubernetes' search path as `ClusterFirst` gives it to pods.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from pilothouse.client.informer import Informer
from pilothouse.model.json import Object
from pilothouse.network.dns.codec import Name, name_of

MOST_CANDIDATES = 8
BY_ADDRESS = "address"
_POLICIES = (None, "", "ClusterFirst")


def pod_addresses(pod: Object) -> list[str]:
    """Of a pod with a network of its own; others share their node's addresses."""
    if pod.get("spec", {}).get("hostNetwork"):
        return []
    return [each["ip"] for each in pod.get("status", {}).get("podIPs") or () if each.get("ip")]


class SearchPaths:
    """pods: of this node, with the index BY_ADDRESS. zone: of the cluster. resolv_conf: whose search path comes after the cluster's."""

    def __init__(self, pods: Informer, zone: Name, resolv_conf: Path) -> None:
        self._pods = pods
        self._zone = zone
        self._resolv_conf = resolv_conf
        self._read: tuple[int, tuple[Name, ...]] = (-1, ())

    def on_change(self, forget: Callable[[str], None]) -> None:
        """forget: is given each address whose pod is another now, or another kind of pod."""

        def changed(old: Object | None, new: Object | None) -> None:
            if old is None or new is None or _decisive(old) != _decisive(new):
                for address in {*pod_addresses(old or {}), *pod_addresses(new or {})}:
                    forget(address)

        self._pods.on_change(changed)

    def may_complete(self, name: Name) -> bool:
        """Whether the name is the first of some pod's search path, as far as the name tells."""
        size = len(self._zone)
        return name[-size:] == self._zone and len(name) >= size + 3 and name[-size - 1] == "svc"

    def candidates(self, name: Name, asker: str) -> list[Name]:
        """What is left to ask for after `name`, in order; empty for a name that is not the first of the asker's search path."""
        if not self.may_complete(name):
            return []
        base, namespace = name[: -len(self._zone) - 2], name[-len(self._zone) - 2]
        pod = self._pod(asker)
        if pod is None or pod["metadata"]["namespace"] != namespace:
            return []
        return list(dict.fromkeys((*base, *search) for search in self._after_the_first(pod)))[:MOST_CANDIDATES]

    def _pod(self, address: str) -> Object | None:
        """None as well for an address of which two pods claim that it is theirs, and for pods with another search path."""
        found = [pod for pod in self._pods.by_index(BY_ADDRESS, address) if pod.get("status", {}).get("phase") == "Running"]
        if len(found) != 1 or found[0]["spec"].get("dnsPolicy") not in _POLICIES:
            return None
        return found[0]

    def _after_the_first(self, pod: Object) -> Iterator[Name]:
        yield ("svc", *self._zone)
        yield self._zone
        own = (pod["spec"].get("dnsConfig") or {}).get("searches") or ()
        yield from (*self._of_the_host(), *map(name_of, own))[: MOST_CANDIDATES - 3]
        yield ()

    def _of_the_host(self) -> tuple[Name, ...]:
        try:
            changed = self._resolv_conf.stat().st_mtime_ns
            if changed != self._read[0]:
                self._read = changed, _searches(self._resolv_conf.read_text(errors="replace"))
        except OSError:
            return ()
        return self._read[1]


def _decisive(pod: Object) -> Object:
    """What its search path hangs on."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    return {"addresses": pod_addresses(pod), "phase": status.get("phase"), "policy": spec.get("dnsPolicy"), "own": spec.get("dnsConfig")}


def _searches(text: str) -> tuple[Name, ...]:
    """The last line counts."""
    lines = [line.split() for line in text.splitlines()]
    found = next((words[1:] for words in reversed(lines) if words[:1] == ["search"]), [])
    return tuple(name_of(word) for word in found)
