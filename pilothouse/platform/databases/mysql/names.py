"""Names of what belongs to an instance, from the instance's own (pure). `patterns.NAME` leaves room for the longest."""

from pilothouse.model import meta
from pilothouse.model.json import Object

PORT = 3306
AGENT_PORT = 8443
MOST_MEMBERS = 9


def members(instance: str) -> str:
    """The headless Service, which gives each member a name in DNS."""
    return f"{instance}-members"


def read(instance: str) -> str:
    """The Service that leads to replicas."""
    return f"{instance}-read"


def system(instance: str) -> str:
    """The Secret that the operator alone reads: the authority's key and the password of replication."""
    return f"{instance}-system"


def tls(instance: str) -> str:
    """The Secret that members mount."""
    return f"{instance}-tls"


def job(instance: str) -> str:
    """The Secret by which Jobs, such as backups, are known to the agents."""
    return f"{instance}-job"


def program(instance: str) -> str:
    """The ConfigMap with the agents' program."""
    return f"{instance}-agent"


def secrets_of(instance: Object) -> list[str]:
    """The Secrets that the operator makes for an instance, in its namespace."""
    name = meta.name(instance)
    return [name, system(name), tls(name), job(name)]


def member(instance: str, ordinal: int) -> str:
    return f"{instance}-{ordinal}"


def ordinal(member_name: str) -> int:
    return int(member_name.rpartition("-")[2])


def claim(member_name: str) -> str:
    """The claim of a member's volume, as the StatefulSet looks for it."""
    return f"data-{member_name}"


def host(service: str, namespace: str) -> str:
    return f"{service}.{namespace}.svc"


def member_host(member_name: str, namespace: str) -> str:
    """Under which the others reach a member, and which its certificate holds."""
    return host(f"{member_name}.{members(member_name.rpartition('-')[0])}", namespace)


def account(instance: str) -> str:
    """Of the first account, and of the first database of an instance that began empty; a dash would have to be quoted in it."""
    return instance.replace("-", "_")


def database(instance: Object) -> str:
    """Of the first database: that of the backup which the instance began with, else named like the first account."""
    return str((instance.get("status") or {}).get("database") or account(meta.name(instance)))


def final_backup(instance: Object) -> str:
    return f"{meta.name(instance)}-final-{meta.uid(instance)[:8]}"
