"""Nodes, namespaces, policies, roles and plain data in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, NONE, UNKNOWN, age, name
from pilothouse.model.json import Object

NODE_COLUMNS = (
    NAME_COLUMN,
    Column("Status", "The status of the node"),
    Column("Roles", "The roles of the node"),
    AGE_COLUMN,
    Column("Version", "Version of the node's agent."),
    Column("Internal-IP", "The node's address inside the cluster's network.", priority=1),
    Column("External-IP", "The node's address outside the cluster's network.", priority=1),
    Column("OS-Image", "The operating system of the node.", priority=1),
    Column("Kernel-Version", "The kernel of the node.", priority=1),
    Column("Container-Runtime", "The container runtime of the node and its version.", priority=1),
)
NAMESPACE_COLUMNS = (NAME_COLUMN, Column("Status", "The status of the namespace"), AGE_COLUMN)
CONFIGMAP_COLUMNS = (NAME_COLUMN, Column("Data", "How many entries there are."), AGE_COLUMN)
SECRET_COLUMNS = (NAME_COLUMN, Column("Type", "What the secret is for."), Column("Data", "How many entries there are."), AGE_COLUMN)
SERVICEACCOUNT_COLUMNS = (NAME_COLUMN, AGE_COLUMN)
QUOTA_COLUMNS = (
    NAME_COLUMN,
    Column("Request", "What is requested and counted, of how much."),
    Column("Limit", "What is limited, of how much."),
    AGE_COLUMN,
)
PRIORITY_COLUMNS = (
    NAME_COLUMN,
    Column("Value", "The priority that pods of this class get.", type="integer"),
    Column("Global-Default", "Whether pods without a class get this one.", type="boolean"),
    AGE_COLUMN,
    Column("PreemptionPolicy", "Whether pods of this class may push out others."),
)
RUNTIMECLASS_COLUMNS = (NAME_COLUMN, Column("Handler", "The runtime of the node that runs pods of this class."), AGE_COLUMN)
WEBHOOKS_COLUMNS = (NAME_COLUMN, Column("Webhooks", "How many webhooks the configuration has.", type="integer"), AGE_COLUMN)
LEASE_COLUMNS = (NAME_COLUMN, Column("Holder", "Who holds the lease."), AGE_COLUMN)
BINDING_COLUMNS = (
    NAME_COLUMN,
    Column("Role", "The role that is granted."),
    AGE_COLUMN,
    Column("Users", "Users in the roleBinding", priority=1),
    Column("Groups", "Groups in the roleBinding", priority=1),
    Column("ServiceAccounts", "ServiceAccounts in the roleBinding", priority=1),
)
_ROLE_LABEL, _OLD_ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"


def node_cells(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    addresses = {each.get("type"): each.get("address") for each in reversed(status.get("addresses") or ())}
    return [
        name(obj),
        _node_state(obj, status),
        _roles(obj["metadata"].get("labels") or {}),
        age(obj, now),
        info.get("kubeletVersion") or "",
        addresses.get("InternalIP") or NONE,
        addresses.get("ExternalIP") or NONE,
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _node_state(obj: Object, status: Object) -> str:
    ready = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
    state = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{state},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else state


def _roles(labels: dict[str, str]) -> str:
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)}
    roles.add(labels.get(_OLD_ROLE_LABEL, ""))
    return ",".join(sorted(roles - {""})) or NONE


def namespace_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), (obj.get("status") or {}).get("phase") or "", age(obj, now)]


def configmap_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def secret_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), obj.get("type") or "", len(obj.get("data") or ()), age(obj, now)]


def serviceaccount_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), age(obj, now)]


def quota_cells(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown = {resource: f"{resource}: {used.get(resource, '0')}/{hard[resource]}" for resource in sorted(hard)}
    limits = [text for resource, text in shown.items() if resource.startswith("limits")]
    requests = [text for resource, text in shown.items() if not resource.startswith("limits")]
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


def priority_cells(obj: Object, now: datetime) -> list[Any]:
    policy = obj.get("preemptionPolicy") or ""
    return [name(obj), obj.get("value") or 0, bool(obj.get("globalDefault")), age(obj, now), policy]


def runtimeclass_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), obj.get("handler") or "", age(obj, now)]


def webhooks_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def lease_cells(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), (obj.get("spec") or {}).get("holderIdentity") or "", age(obj, now)]


def binding_cells(obj: Object, now: datetime) -> list[Any]:
    role = obj.get("roleRef") or {}
    subjects = obj.get("subjects") or ()
    users = [each.get("name") or "" for each in subjects if each.get("kind") == "User"]
    groups = [each.get("name") or "" for each in subjects if each.get("kind") == "Group"]
    accounts = [f"{each.get('namespace') or ''}/{each.get('name') or ''}" for each in subjects if each.get("kind") == "ServiceAccount"]
    shown = f"{role.get('kind')}/{role.get('name')}"
    return [name(obj), shown, age(obj, now), ", ".join(users), ", ".join(groups), ", ".join(accounts)]
