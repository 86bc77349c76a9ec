"""What a caller needs to be allowed for a request to the node: a verb on subresources of its Node object. Pure.

Any one of the subresources is enough. Source: Kubernetes 1.36, pkg/kubelet/server/auth.go with KubeletFineGrainedAuthz.
"""

from collections.abc import Mapping, Sequence

VERBS: Mapping[str, str] = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PROXY = "proxy"
"""Allows everything that is not named below, above all to run programs in containers."""
FINE: Mapping[str, tuple[str, ...]] = {
    "pods": ("pods", PROXY),
    "runningpods": ("pods", PROXY),
    "healthz": ("healthz", PROXY),
    "configz": ("configz", PROXY),
    "stats": ("stats",),
    "metrics": ("metrics",),
    "logs": ("log",),
    "checkpoint": ("checkpoint",),
    "volumes": ("volumes",),
    "csi": ("csi",),
}
"""By the first word of the path."""


def verb(method: str) -> str:
    """ "" for a method that nobody can be allowed."""
    return VERBS.get(method, "")


def subresources(words: Sequence[str]) -> tuple[str, ...]:
    """words: of the decoded path, as the request is served by."""
    return FINE.get(words[0] if words else "", (PROXY,))
