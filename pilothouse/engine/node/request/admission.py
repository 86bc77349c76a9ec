"""What this node cannot give a pod that was placed here: the pod is rejected before anything of it is made. Pure.

Source: kubelet/sysctl (runtime allowlist), kubelet/lifecycle/predicate.go.
"""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.allocation import whole_of
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.runtime.seam import Features
from pilothouse.model import sysctls
from pilothouse.model.host_ports import HostPort, host_ports
from pilothouse.model.json import Object
from pilothouse.model.node_selector import RequiredNodes

PODS = "pods"
SHORTAGES = {"cpu": "OutOfcpu", "memory": "OutOfmemory", "ephemeral-storage": "OutOfephemeral-storage", PODS: "OutOfpods"}
"""By what is short, the reason of the pod's failure."""


def needs_features(pod: Object) -> bool:
    """Whether the answer depends on what the runtime can do."""
    return podspec.security(pod).get("supplementalGroupsPolicy") == "Strict"


def rejection(pod: Object, allowed_sysctls: Sequence[str], features: Features, *, has_selinux: bool = False) -> Waiting | None:
    """Reason and message with which the pod fails; None when the node takes it. has_selinux: whether the kernel goes by labels."""
    security = podspec.security(pod)
    for each in security.get("sysctls") or ():
        if not sysctls.is_allowed(each["name"], allowed_sysctls):
            return Waiting("SysctlForbidden", f'Pod was rejected: forbidden sysctl: "{each["name"]}" not allowlisted')
    if security.get("supplementalGroupsPolicy") == "Strict" and not features.supplemental_groups_policy:
        message = "Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node"
        return Waiting("SupplementalGroupsPolicyNotSupported", message)
    if has_selinux and _asks_for_labels(pod):
        return Waiting("SELinuxNotSupported", "Pod was rejected: SELinux labels are not given to pods of this node")
    return None


def _asks_for_labels(pod: Object) -> bool:
    asked = (podspec.security(pod), *(each.get("securityContext") or {} for each in podspec.all_containers(pod)))
    return any(security.get("seLinuxOptions") or security.get("seLinuxChangePolicy") for security in asked)


def shortage(asked: Mapping[str, int], others: Sequence[Mapping[str, int]], allocatable: Object) -> Waiting | None:
    """What the node has not left for a pod; None when it fits. The scheduler sees to that, unless somebody else has placed the pod.

    asked: what the pod requests; others: the same of each that the node has taken before and whose end nobody has decided, as
    `allocation.asks` counts it.
    """
    if len(others) + 1 > whole_of(allocatable, PODS):
        return _out_of(PODS, 1, len(others), whole_of(allocatable, PODS))
    for resource, wanted in asked.items():
        if not wanted:
            continue
        used, whole = sum(each[resource] for each in others), whole_of(allocatable, resource)
        if used + wanted > whole:
            return _out_of(resource, wanted, used, whole)
    return None


def misplaced(pod: Object, node: str, labels: Mapping[str, str]) -> Waiting | None:
    """Of a pod that asks for other nodes than this one, which has these labels."""
    return (
        None
        if RequiredNodes.of(pod["spec"]).matches(node, labels)
        else _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    )


def taken(pod: Object, ports: Iterable[HostPort]) -> Waiting | None:
    """Of a pod that asks for ports of the node that others have."""
    own = list(host_ports(pod))
    if own and any(each.clashes(port) for port in ports for each in own):
        return _failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def _failed(predicate: str, why: str) -> Waiting:
    return Waiting(predicate, f"Pod was rejected: Predicate {predicate} failed: {why}")


def _out_of(resource: str, wanted: int, used: int, whole: int) -> Waiting:
    message = f"Node didn't have enough resource: {resource}, requested: {wanted}, used: {used}, capacity: {whole}"
    return Waiting(SHORTAGES[resource], f"Pod was rejected: {message}")
