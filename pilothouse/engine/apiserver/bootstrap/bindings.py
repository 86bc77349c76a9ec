"""Who has which of the roles of every cluster. Pure."""

from pilothouse.engine.apiserver.bootstrap.controller_roles import CONTROLLERS
from pilothouse.engine.apiserver.bootstrap.policy import AUTOUPDATE, BOOTSTRAPPING, RBAC
from pilothouse.model.json import Object

_EVERYBODY = ("Group:system:authenticated",)
_ANYBODY = ("Group:system:authenticated", "Group:system:unauthenticated")
_SUBJECTS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("Group:system:masters",),
    "system:monitoring": ("Group:system:monitoring",),
    "system:discovery": _EVERYBODY,
    "system:basic-user": _EVERYBODY,
    "system:public-info-viewer": _ANYBODY,
    "system:cluster-dns": ("Group:system:cluster-dns",),
    "system:gateway": ("User:system:gateway",),
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
    return found + [_binding(f"system:controller:{name}", f"system:controller:{name}", (f"ServiceAccount:{name}",)) for name in CONTROLLERS]


def _binding(name: str, role: str, subjects: tuple[str, ...]) -> Object:
    binding: Object = {"metadata": {"name": name, "labels": BOOTSTRAPPING, "annotations": AUTOUPDATE}}
    if subjects:
        binding["subjects"] = [_subject(subject) for subject in subjects]
    return binding | {"roleRef": _role("ClusterRole", role)}


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
    return {"metadata": metadata, "subjects": [_subject(each) for each in subjects], "roleRef": _role("Role", role)}


def _role(kind: str, name: str) -> Object:
    return {"apiGroup": RBAC, "kind": kind, "name": name}
