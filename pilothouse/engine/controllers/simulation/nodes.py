"""What simulated nodes look like. Pure.

They are marked by a label and a taint, so that nothing goes there that does not ask for it, and have no part of the pod network: addresses
are of 198.18.0.0/15, which is kept for tests (RFC 2544) and leads nowhere.
"""

from ipaddress import IPv4Network

from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object
from pilothouse.model.node_objects import SIMULATED, SIMULATED_PREFIX

POD_ADDRESSES, NODE_ADDRESSES = IPv4Network("198.18.0.0/16"), IPv4Network("198.19.0.0/16")
MOST = NODE_ADDRESSES.num_addresses - 2
"""Nodes that there are addresses for: the first one and the last one of a network are nobody's."""
ZONES = 3
CPU, MEMORY, PODS = "32", "128Gi", "110"
TAINT: Object = {"key": SIMULATED, "value": "true", "effect": "NoSchedule"}
_WELL = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def name_of(number: int) -> str:
    return f"{SIMULATED_PREFIX}{number:04}"


def number_of(name: str) -> int | None:
    """None for a node of another name, and for one whose number is beyond the network: it is somebody else's."""
    number = natural(name.removeprefix(SIMULATED_PREFIX)) if name.startswith(SIMULATED_PREFIX) else None
    return number if number is not None and number < MOST and name == name_of(number) else None


def address_of(number: int) -> str:
    return str(NODE_ADDRESSES[number + 1])


def node(number: int, version: str, now: float) -> Object:
    """version: of the node's kubelet, as it is said. now: seconds since the epoch."""
    name = name_of(number)
    architecture, system = "amd64", "linux"
    labels = {
        SIMULATED: "true",
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": system,
        "topology.kubernetes.io/zone": f"{SIMULATED_PREFIX}{number % ZONES}",
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [TAINT]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address_of(number)}, {"type": "Hostname", "address": name}],
            "capacity": {"cpu": CPU, "memory": MEMORY, "pods": PODS},
            "allocatable": {"cpu": CPU, "memory": MEMORY, "pods": PODS},
            "conditions": conditions(now),
            "nodeInfo": {
                **{"architecture": architecture, "operatingSystem": system, "kubeletVersion": version, "kubeProxyVersion": ""},
                **{"osImage": "simulated", "kernelVersion": "", "containerRuntimeVersion": "simulated"},
                **{"bootID": "", "machineID": "", "systemUUID": ""},
            },
        },
    }


def conditions(now: float) -> list[Object]:
    stamp = meta.rfc3339(now)
    times = {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    said = [{"type": type_, "status": "False", "reason": reason, "message": text, **times} for type_, (reason, text) in _WELL.items()]
    return [*said, {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated: nothing runs here", **times}]
