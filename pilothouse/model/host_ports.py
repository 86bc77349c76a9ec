"""Which ports of a node a pod takes. Pure.

Source: kube-scheduler/framework (HostPortInfo).
"""

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.model.json import Object

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - upstream's spelling of "any address"


class HostPort(NamedTuple):
    address: str
    protocol: str
    number: int

    def clashes(self, other: "HostPort") -> bool:
        """Whether only one of the two can be had."""
        same = self.address == other.address or ANY_ADDRESS in (self.address, other.address)
        return same and self[1:] == other[1:]


def host_ports(pod: Object) -> Iterator[HostPort]:
    """Of the node, which the pod's containers and sidecars take; in the node's network each port of a container is one."""
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if spec.get("hostNetwork") else 0)
            if number:
                yield HostPort(port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", number)
