"""Ports of a pod's containers that are given twice, or nearly so."""

from pilothouse.engine.apiserver.kinds.field import shown
from pilothouse.engine.apiserver.kinds.pod_validation.visit import containers
from pilothouse.model.json import Object

_MOST = 100
"""Ports of one number and protocol that are compared with each other."""


def port_warnings(spec: Object, path: str) -> list[str]:
    """path: of the pod's spec."""
    found: list[str] = []
    taken: dict[tuple[object, object], list[tuple[Object, str]]] = {}
    for container, here in containers(spec, path):
        for i, port in enumerate(container.get("ports") or ()):
            place = f"{here}.ports[{i}]"
            if port.get("hostIP") and not port.get("hostPort"):
                found.append(f"{place}: hostIP set without hostPort: {_struct(port)}")
            others = taken.setdefault((port.get("containerPort"), port.get("protocol")), [])
            found += [f"{place}: {how} port definition with {other}" for before, other in others if (how := _compared(port, before))]
            if len(others) < _MOST:
                others.append((port, place))
    return found + _names(spec, path)


def _struct(port: Object) -> str:
    fields = {"Name": "name", "HostPort": "hostPort", "ContainerPort": "containerPort", "Protocol": "protocol", "HostIP": "hostIP"}
    number = ("hostPort", "containerPort")
    return "{" + " ".join(f"{shown}:{port.get(name) or (0 if name in number else '')}" for shown, name in fields.items()) + "}"


def _compared(port: Object, other: Object) -> str:
    """ "" when the two do not get in each other's way."""
    address, before = port.get("hostIP") or "", other.get("hostIP") or ""
    of_host, of_host_before = port.get("hostPort") or 0, other.get("hostPort") or 0
    if address == before and of_host == of_host_before:
        return "duplicate"
    if not of_host or not of_host_before:
        return "overlapping"
    return "dangerously ambiguous" if of_host == of_host_before and bool(address) != bool(before) else ""


def _names(spec: Object, path: str) -> list[str]:
    """Names that select the first of several ports, among those of containers that keep running."""
    found: list[str] = []
    first: dict[str, str] = {}
    for container, here in containers({**spec, "ephemeralContainers": None}, path):
        if here.startswith(f"{path}.initContainers") and container.get("restartPolicy") != "Always":
            continue
        for i, port in enumerate(container.get("ports") or ()):
            name, place = port.get("name") or "", f"{here}.ports[{i}]"
            if name and (other := first.setdefault(name, place)) != place:
                chosen = f"services and probes that select ports by name will use {other}"
                found.append(f"{place}: duplicate port name {shown(name)} with {other}, {chosen}")
    return found
