"""The archive of an instance's log: a Deployment of one pod, which follows the primary (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.inside.archive.position import position, reaches
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
THROUGH_EACH_S = 600.0
GAP = "Gap"


@dataclass(frozen=True, slots=True)
class Told:
    """What the archive's pod says. until_us: since the epoch, up to when all is in the store; position: of it. reason, message: what is in
    its way. gap_after, gap_until: positions between which the log is lost. broken: a segment of the archive that cannot be read."""

    until_us: int
    reason: str
    message: str
    position: str = ""
    gap_after: str = ""
    gap_until: str = ""
    broken: str = ""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Told":
        """Raises KeyError, ValueError for what no archive says. A pod of an earlier version says less."""
        more = {name: str(said.get(name) or "") for name in ("position", "gap_after", "gap_until", "broken")}
        return cls(int(said["until_us"]), str(said["reason"]), str(said["message"]), **more)


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


def condition(instance: Object, store: Object | None, told: Told | None, backups: Sequence[Object]) -> tuple[str, str, str]:
    """backups: of the instance. What is lost is told until one begins behind it."""
    if instance["spec"].get("suspended"):
        return "False", "Suspended", "nothing changes while the instance is suspended"
    if store is None:
        return "False", "NoStore", f"BackupStore {store_name(instance)} does not exist: make it"
    if told is None:
        return "False", "Starting", "the archive does not answer yet"
    way_out = f"ph mysql backup {meta.name(instance)} takes a backup, from which points can be restored again"
    if told.gap_until and not _has_begun_at(backups, told.gap_until, meta.name(store)):
        between = f"between {told.gap_after or 'its begin'} and {told.gap_until}"
        return "False", GAP, f"the archive has a gap {between}: {way_out}" + (f". {told.message}" if told.message else "")
    if told.reason:
        return "False", told.reason, told.message
    if told.broken:
        return "False", "Corrupted", f"{told.broken} in the store has been changed or cut off, and no restore goes past it: {way_out}"
    return "True", "Following", ""


def through(instance: Object, told: Told) -> str:
    """A new `archivedThrough`; "" as long as the old one does. Each of them is an order to all members."""
    status = instance.get("status") or {}
    before = meta.parse_rfc3339(status["archivedUntil"]) if status.get("archivedUntil") else 0.0
    is_new = not status.get("archivedThrough") or int(told.until_us / 1e6 / THROUGH_EACH_S) != int(before / THROUGH_EACH_S)
    return told.position if is_new else ""


def _has_begun_at(backups: Sequence[Object], at: str, store: str) -> bool:
    good = [found for each in backups if (found := each.get("status") or {}).get("phase") == "Succeeded" and found.get("store") == store]
    return any(reaches(position(found.get("gtid") or ""), position(at)) for found in good)
