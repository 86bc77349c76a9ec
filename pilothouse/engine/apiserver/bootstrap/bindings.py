"""Who has which of the roles of every cluster. Pure."""

from pilothouse.engine.apiserver.bootstrap.controller_roles import CONTROLLERS
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


def cluster_role_bindings() -> list[Object]:
    found = [_binding(name, name, subjects) for name, subjects in _SUBJECTS.items()]
    # By group and not by system:masters, which no binding can take anything from; as kubeadm's kubeadm:cluster-admins.
    found.append(_binding(ADMINS, "cluster-admin", (f"Group:{ADMINS}",)))
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
    return [
        _namespaced(f"system::{reader}", reader, users),
        _namespaced("system:cluster-dns", "system:cluster-dns", ("Group:system:cluster-dns",)),
    ]


def _namespaced(name: str, role: str, subjects: tuple[str, ...]) -> Object:
    metadata = {"name": name, "namespace": "kube-system", "labels": BOOTSTRAPPING, "annotations": AUTOUPDATE}
    return {
        "metadata": metadata,
        "subjects": [_subject(each) for each in subjects],
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
    }
