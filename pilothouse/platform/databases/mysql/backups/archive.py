"""The archive of an instance's log: a Deployment of one pod, which follows the primary (pure)."""

from dataclasses import dataclass

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels as mysql_labels
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.objects.secrets import REPLICATION
from pilothouse.platform.databases.pattern.backups import jobs, labels, programs, stores
from pilothouse.platform.databases.pattern.backups.jobs import Task

ARCHIVING = "Archiving"
TASK = "archive"
SUFFIX = "-archive"
PORT = 8080
AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the archive's pod says. until_us: since the epoch, up to when all is in the store. reason, message: what is in its way."""

    until_us: int
    reason: str
    message: str


def name(instance: Object) -> str:
    return f"{meta.name(instance)}{SUFFIX}"


def is_wanted(instance: Object) -> bool:
    """Also of one that is deleted, as long as it is there: it may be protected, and goes on."""
    return bool((instance["spec"].get("backup") or {}).get("archive"))


def store_name(instance: Object) -> str:
    return str((instance["spec"].get("backup") or {}).get("store") or labels.DEFAULT_STORE)


def deployment(instance: Object, store: Object, program: bytes) -> Object:
    """Of the Secret with the authority's key, its pod is given the password of replication alone."""
    own, status = meta.name(instance), instance.get("status") or {}
    env = {
        "ARCHIVE": labels.archive(own, meta.uid(instance)),
        "INSTANCE_UID": meta.uid(instance),
        "PRIMARY_HOST": names.host(own, meta.namespace(instance)),
        "PRIMARY_PORT": str(names.PORT),
        "USER": REPLICATION,
        "PASSWORD_FILE": "/account/password",
        "CA": "/account/ca.crt",
        "STATUS_PORT": str(PORT),
    }
    spec = jobs.pod_spec(Task(TASK, status["image"], programs.name(meta.name(store), program), env, stores.access(store)), "Always")
    keys = [{"key": "replication-password", "path": "password"}, {"key": "ca.crt", "path": "ca.crt"}]
    spec["volumes"].append({"name": "account", "secret": {"secretName": names.system(own), "items": keys, "defaultMode": 0o440}})
    container = spec["containers"][0]
    container["volumeMounts"].append({"name": "account", "mountPath": "/account", "readOnly": True})
    container["ports"] = [{"name": "state", "containerPort": PORT, "protocol": "TCP"}]
    container["readinessProbe"] = {"httpGet": {"path": "/state", "port": PORT}, "periodSeconds": 2}
    chosen = {labels.TASK: TASK, labels.JOB: own, labels.BACKUP_UID: meta.uid(instance)}
    return {
        "apiVersion": kinds.DEPLOYMENTS.api_version,
        "kind": kinds.DEPLOYMENTS.kind,
        "metadata": mysql_labels.metadata(instance, name(instance)),
        "spec": {
            "replicas": 0 if instance["spec"].get("suspended") else 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": chosen}, "spec": spec},
        },
    }


def condition(instance: Object, store: Object | None, told: Told | None) -> tuple[str, str, str]:
    if instance["spec"].get("suspended"):
        return "False", "Suspended", "nothing changes while the instance is suspended"
    if store is None:
        return "False", "NoStore", f"BackupStore {store_name(instance)} does not exist: make it"
    if told is None:
        return "False", "Starting", "the archive does not answer yet"
    if told.reason:
        return "False", told.reason, told.message
    return "True", "Following", ""
