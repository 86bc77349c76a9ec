"""Who has which of the roles of every cluster. Pure."""

from pilothouse.engine.apiserver.bootstrap.controller_roles import CONTROLLERS
from pilothouse.engine.apiserver.bootstrap.roles import (
    BGP_READER,
    CLUSTER_INFO_READER,
    DNS_CONFIG_READER,
    ENDPOINT_REPORT_READER,
    LOAD_BALANCER_ANNOUNCER,
    LOAD_BALANCER_READER,
    NETWORK_READER,
    NODE_CONFIG_READER,
    NODE_VOLUMES,
    POLICY_READER,
    SCHEDULERS_READER,
)
from pilothouse.model.bootstrap_tokens import NODE_GROUP
from pilothouse.model.json import Object
from pilothouse.model.policy import AUTOUPDATE, BOOTSTRAPPING, RBAC, cluster_role_binding

ADMINS = "pilothouse:admins"
"""The group of the administrator's certificate, and the name of its binding."""
_EVERYBODY = ("Group:system:authenticated",)
_ANYBODY = ("Group:system:authenticated", "Group:system:unauthenticated")
_SUBJECTS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("Group:system:masters",),
    "system:monitoring": ("Group:system:monitoring",),
    "system:discovery": _EVERYBODY,
    "system:basic-user": _EVERYBODY,
    "system:public-info-viewer": _ANYBODY,
    "system:cluster-dns": ("Group:system:cluster-dns",),
    "system:node-proxier": ("User:system:kube-proxy",),
    "system:kube-controller-manager": ("User:system:kube-controller-manager",),
    "system:kube-dns": ("ServiceAccount:kube-dns",),
    "system:kube-scheduler": ("User:system:kube-scheduler",),
    "system:volume-scheduler": ("User:system:kube-scheduler",),
    "system:node": (),
    "system:service-account-issuer-discovery": ("Group:system:serviceaccounts",),
}

_REQUESTS = "system:certificates.k8s.io:certificatesigningrequests"
_NODES = (
    ("pilothouse:node-bootstrapper", "system:node-bootstrapper", (f"Group:{NODE_GROUP}",)),
    ("pilothouse:get-nodes", "pilothouse:get-nodes", (f"Group:{NODE_GROUP}",)),
    ("pilothouse:node-autoapprove-bootstrap", f"{_REQUESTS}:nodeclient", (f"Group:{NODE_GROUP}",)),
    ("pilothouse:node-autoapprove-renewal", f"{_REQUESTS}:selfnodeclient", ("Group:system:nodes",)),
    ("pilothouse:kubelet-api-admin", "system:kubelet-api-admin", ("User:kube-apiserver-kubelet-client",)),
    (BGP_READER, BGP_READER, ("User:system:kube-proxy",)),
    (LOAD_BALANCER_READER, LOAD_BALANCER_READER, ("User:system:kube-proxy",)),
    (LOAD_BALANCER_ANNOUNCER, LOAD_BALANCER_ANNOUNCER, ("Group:system:nodes",)),
    (NETWORK_READER, NETWORK_READER, ("User:system:kube-proxy",)),
    (POLICY_READER, POLICY_READER, ("User:system:kube-proxy",)),
    (NODE_VOLUMES, NODE_VOLUMES, ("User:kube-apiserver-kubelet-client",)),
)
"""Name, role and subjects: how a node gets a certificate with a bootstrap token, and renews it; what the API server may ask of nodes.

As kubeadm has it, under other names.
"""


def cluster_role_bindings() -> list[Object]:
    found = [_binding(name, name, subjects) for name, subjects in _SUBJECTS.items()]
    # By group and not by system:masters, which no binding can take anything from; as kubeadm's kubeadm:cluster-admins.
    found.append(_binding(ADMINS, "cluster-admin", (f"Group:{ADMINS}",)))
    found += [_binding(name, role, subjects) for name, role, subjects in _NODES]
    return found + [_binding(f"system:controller:{name}", f"system:controller:{name}", (f"ServiceAccount:{name}",)) for name in CONTROLLERS]


def _binding(name: str, role: str, subjects: tuple[str, ...]) -> Object:
    return cluster_role_binding(name, role, [_subject(subject) for subject in subjects])


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"kind": kind, "apiGroup": RBAC, "name": name}


def role_bindings() -> list[Object]:
    reader = "extension-apiserver-authentication-reader"
    users = ("User:system:kube-controller-manager", "User:system:kube-scheduler")
    signer = "system:controller:bootstrap-signer"
    return [
        _namespaced(f"system::{reader}", reader, users),
        _namespaced(ENDPOINT_REPORT_READER, ENDPOINT_REPORT_READER, ("User:system:kube-proxy",)),
        _namespaced(DNS_CONFIG_READER, DNS_CONFIG_READER, ("User:system:kube-proxy",)),
        _namespaced(NODE_CONFIG_READER, NODE_CONFIG_READER, (f"Group:{NODE_GROUP}",)),
        _namespaced("system:controller:token-cleaner", "system:controller:token-cleaner", ("ServiceAccount:token-cleaner",)),
        _namespaced(signer, signer, ("ServiceAccount:bootstrap-signer",)),
        _namespaced(signer, signer, ("ServiceAccount:bootstrap-signer",), "kube-public"),
        _namespaced(CLUSTER_INFO_READER, CLUSTER_INFO_READER, ("User:system:anonymous",), "kube-public"),
        _namespaced(SCHEDULERS_READER, SCHEDULERS_READER, ("Group:system:authenticated",), "kube-public"),
    ]


def _namespaced(name: str, role: str, subjects: tuple[str, ...], namespace: str = "kube-system") -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": BOOTSTRAPPING, "annotations": AUTOUPDATE}
    return {
        "metadata": metadata,
        "subjects": [_subject(each) for each in subjects],
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
    }
