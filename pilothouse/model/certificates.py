"""What certificates.k8s.io speaks of: signers, conditions, and requests as they are stored. Pure."""

from base64 import b64decode
from binascii import Error as Base64Error

from pilothouse.model.json import Object

GROUP = "certificates.k8s.io"
APISERVER_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
"""Of the API's beta version: the version that is served refuses it, so that there is nothing to sign."""

PROXY_USER, PROXY_GROUPS = "system:kube-proxy", ("system:cluster-dns",)
"""Who service proxy and DNS of a node are."""

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
TERMINAL = (APPROVED, DENIED, FAILED)
"""Conditions that are true or absent, and that nobody takes back."""
SHORTEST_S = 600
"""What may be asked for at least."""


def request_of(obj: Object) -> bytes:
    """The request (PEM) of a CertificateSigningRequest; empty for what is no base64."""
    return _bytes((obj.get("spec") or {}).get("request"))


def certificate_of(obj: Object) -> bytes:
    """What has been issued (PEM); empty while nothing has."""
    return _bytes((obj.get("status") or {}).get("certificate"))


def _bytes(text: str | None) -> bytes:
    try:
        return b64decode(text or "")
    except (Base64Error, ValueError):
        return b""


def conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def conditions_of(obj: Object, kind: str) -> list[Object]:
    return [condition for condition in conditions(obj) if condition.get("type") == kind]


def has(obj: Object, kind: str) -> bool:
    return bool(conditions_of(obj, kind))
