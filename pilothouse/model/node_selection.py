"""Which nodes a pod may run on, by their labels and names, and which of a node's ports it takes. Pure.

Source: component-helpers/scheduling/corev1/nodeaffinity; kube-scheduler/framework (HostPortInfo).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, requirement

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - upstream's spelling of "any address"
OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!", "Gt": "gt", "Lt": "lt"}


class HostPort(NamedTuple):
    address: str
    protocol: str
    number: int

    def clashes(self, other: "HostPort") -> bool:
        """Whether only one of the two can be had."""
        same = self.address == other.address or ANY_ADDRESS in (self.address, other.address)
        return same and self[1:] == other[1:]


def matches(pod: Object, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node of that name and with these labels is one that the pod's nodeSelector and required node affinity ask for."""
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term_matches(term, name, labels) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Object, name: str, labels: Mapping[str, str]) -> bool:
    """A term that says nothing matches nothing."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return _selector(expressions).matches(labels) and _selector(fields).matches({"metadata.name": name})


def _selector(expressions: Iterable[Object]) -> Selector:
    return Selector(tuple(requirement(each["key"], OPERATORS[each["operator"]], each.get("values") or ()) for each in expressions))


def host_ports(pod: Object) -> Iterator[HostPort]:
    """Of the node, which the pod's containers and sidecars take; in the node's network each port of a container is one."""
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if spec.get("hostNetwork") else 0)
            if number:
                yield HostPort(port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", number)
