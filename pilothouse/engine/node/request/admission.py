"""What this node cannot give a pod that was placed here: the pod is rejected before anything of it is made. Pure.

Source: kubelet/sysctl (runtime allowlist), kubelet/lifecycle/predicate.go.
"""

from collections.abc import Sequence

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.runtime.seam import Features
from pilothouse.model import sysctls
from pilothouse.model.json import Object


def needs_features(pod: Object) -> bool:
    """Whether the answer depends on what the runtime can do."""
    return podspec.security(pod).get("supplementalGroupsPolicy") == "Strict"


def rejection(pod: Object, allowed_sysctls: Sequence[str], features: Features) -> Waiting | None:
    """Reason and message with which the pod fails; None when the node takes it."""
    security = podspec.security(pod)
    for each in security.get("sysctls") or ():
        if not sysctls.is_allowed(each["name"], allowed_sysctls):
            return Waiting("SysctlForbidden", f'Pod was rejected: forbidden sysctl: "{each["name"]}" not allowlisted')
    if security.get("supplementalGroupsPolicy") == "Strict" and not features.supplemental_groups_policy:
        message = "Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node"
        return Waiting("SupplementalGroupsPolicyNotSupported", message)
    return None
