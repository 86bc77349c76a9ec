"""What each part of the platform may do on a cluster whose API server is ours, as roles. Pure.

Every part is a service account in pilothouse-system. Secrets that people name in Apps, Builds and Ingresses are in none of these roles:
the API server lets a part read exactly those (`wiring.secret_readers`), where RBAC could only allow all.
"""

from pilothouse.model.json import Object
from pilothouse.model.policy import RBAC, READ, WRITE, cluster_role, rule
from pilothouse.model.policy import cluster_role_binding as bound

SYSTEM = "pilothouse-system"
SETUP, APPS, READINESS, BUILDS, REGISTRY, GATEWAY = "platform", "apps", "readiness", "builds", "registry", "gateway"
DATABASES, BINDINGS, BACKUPS = "databases", "bindings", "backups"
"""The service accounts; the gateway, which runs on nodes and signs in with a certificate, is the user system:gateway."""
GATEWAY_USER = "system:gateway"

_CRDS, _APPS, _BUILDS, _NET = "apiextensions.k8s.io", "apps.pilothouse.dev", "builds.pilothouse.dev", "networking.k8s.io"
_DATABASES = "databases.pilothouse.dev"
_WATCH, _MADE, _KEPT = "list watch", "create delete list watch", "create delete list patch watch"

_OF_DATABASES = " ".join(
    f"{plural}.{_DATABASES}" for plural in ("mysqls", "mysqldatabases", "mysqlusers", "backups", "backupstores", "bindings")
)

_RULES: dict[str, tuple[Object, ...]] = {
    SETUP: (
        rule("create", "customresourcedefinitions", _CRDS),
        rule("get patch", "customresourcedefinitions", _CRDS, f"apps.{_APPS} builds.{_BUILDS} {_OF_DATABASES}"),
        rule("create", "namespaces"),
        rule("get", "namespaces", names=SYSTEM),
        rule("create", "configmaps"),
        rule("get update", "configmaps", names="pilothouse"),
        rule("create patch", "events"),
    ),
    APPS: (
        rule(_WATCH, "apps", _APPS),
        rule(_WATCH, "ingressclasses", _NET),
        rule("patch", "apps/status", _APPS),
        rule(_MADE, "builds", _BUILDS),
        rule("create delete list update watch", "controllerrevisions", "apps"),
        rule(_KEPT, "deployments", "apps"),
        rule(_KEPT, "services"),
        rule(_KEPT, "ingresses", _NET),
        rule(_MADE, "jobs", "batch"),
        rule(_KEPT, "horizontalpodautoscalers", "autoscaling"),
        rule("create delete", "secrets"),
        rule("create list patch watch", "persistentvolumeclaims"),
    ),
    READINESS: (
        rule(_WATCH, "apps", _APPS),
        rule(_WATCH, "pods"),
        rule("patch", "pods/status"),
    ),
    BUILDS: (
        rule(_WATCH, "builds", _BUILDS),
        rule("patch", "builds/status", _BUILDS),
        rule(_MADE, "pods"),
        rule("get", "pods/log"),
        rule("get", "nodes"),
        rule("create", "configmaps secrets"),
        rule("delete get list", "configmaps"),
        rule("patch watch", "configmaps", names="pilothouse-config"),
        rule("get list update watch", "secrets", names="pilothouse-build-environment"),
        rule("delete get list update watch", "secrets", names="pilothouse-build-credentials"),
        rule("get list patch watch", "secrets", names="pilothouse-config"),
    ),
    DATABASES: (
        rule("list patch watch", "mysqls", _DATABASES),
        # Those of an instance that has gone.
        rule("delete list patch watch", "mysqlusers mysqldatabases", _DATABASES),
        rule("patch", "mysqls/status mysqlusers/status mysqldatabases/status", _DATABASES),
        rule("update", "mysqls/status", _DATABASES),
        rule("create list watch", "backups", _DATABASES),
        rule(_WATCH, "bindings", _DATABASES),
        rule(_KEPT, "configmaps persistentvolumeclaims services"),
        # Not patch: its answer would show any Secret to who has this.
        rule("create delete update", "secrets"),
        rule(_KEPT, "statefulsets", "apps"),
        rule(_KEPT, "poddisruptionbudgets", "policy"),
        rule(_KEPT, "networkpolicies", _NET),
        rule("delete list patch watch", "pods"),
        rule("patch", "pods/resize"),
        rule("list", "events"),
        rule("get", "namespaces"),
        # Whether what a protected instance holds outlives its claims is a field of its volumes.
        rule("get list patch watch", "persistentvolumes"),
        rule(_WATCH, "nodes"),
    ),
    BINDINGS: (
        rule("list patch watch", "bindings", _DATABASES),
        rule("patch", "bindings/status", _DATABASES),
        rule("create list patch watch", "mysqlusers", _DATABASES),
        rule(_WATCH, "mysqls mysqldatabases", _DATABASES),
        rule("list patch watch", "apps", _APPS),
        rule("create update", "secrets"),
    ),
    BACKUPS: (
        rule("create delete list patch watch", "backups", _DATABASES),
        rule("create list watch", "backupstores", _DATABASES),
        rule(_WATCH, "mysqls", _DATABASES),
        rule("patch", "backups/status backupstores/status mysqls/status", _DATABASES),
        rule(_MADE, "jobs", "batch"),
        rule(_KEPT, "deployments", "apps"),
        rule(_WATCH, "pods"),
        rule("create patch", "persistentvolumeclaims"),
        rule("create", "configmaps secrets"),
        rule("get", "namespaces"),
    ),
    REGISTRY: (
        rule("list", "apps", _APPS),
        rule("list", "builds", _BUILDS),
        rule("list", "mysqls", _DATABASES),
        rule("list", "controllerrevisions replicasets statefulsets", "apps"),
        rule("list", "pods"),
    ),
    GATEWAY: (
        rule("create patch", "events"),
        rule(_WATCH, "services"),
        rule(_WATCH, "endpointslices", "discovery.k8s.io"),
        rule(_WATCH, "ingresses", _NET),
        rule("create list watch", "ingressclasses", _NET),
        rule("patch", "ingresses/status", _NET),
    ),
}


_INSTANCES = "backups backupstores bindings mysqldatabases mysqls mysqlusers"


def _people() -> list[Object]:
    """What whoever may edit or view a namespace may do with its databases: their status is the platform's to write."""
    seen = " ".join(f"{kind}/status" for kind in _INSTANCES.split())
    return [
        cluster_role("pilothouse:databases-edit", rule(WRITE, f"{_INSTANCES} mysqls/scale", _DATABASES), aggregate_to="edit"),
        cluster_role("pilothouse:databases-view", rule(READ, f"{_INSTANCES} mysqls/scale {seen}", _DATABASES), aggregate_to="view"),
    ]


def rules(part: str) -> tuple[Object, ...]:
    """What a part may do, as the rules of a role."""
    return _RULES[part]


def role_name(part: str) -> str:
    return f"pilothouse:{part}"


def account(part: str) -> str:
    """The user name of a part's service account."""
    return f"system:serviceaccount:{SYSTEM}:{part}"


def cluster_roles() -> list[Object]:
    return [*(cluster_role(role_name(part), *rules) for part, rules in _RULES.items()), *_people()]


def cluster_role_bindings() -> list[Object]:
    return [bound(role_name(part), role_name(part), (_subject(part),)) for part in _RULES]


def _subject(part: str) -> Object:
    if part == GATEWAY:
        return {"kind": "User", "apiGroup": RBAC, "name": GATEWAY_USER}
    return {"kind": "ServiceAccount", "name": part, "namespace": SYSTEM}
