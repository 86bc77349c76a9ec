"""The Jobs that back up, verify, restore and forget (pure), and what they have said at their end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.pattern.backups.source import Target
from pilothouse.platform.databases.pattern.backups.stores import Access

USER = 999
"""`mysql` in the images."""
ATTEMPTS = 3
LONGEST_S = 24 * 3600
_FINAL = 3
"""The exit code of a program that another attempt would not help."""
_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True)
class Room:
    """For a server's data. size: a quantity; storage_class: None for the cluster's default."""

    size: str
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """name: the program's command. program: the ConfigMap with it. env: beside the store's and the target's."""

    name: str
    image: str
    program: str
    env: Mapping[str, str]
    store: Access
    target: Target | None = None
    room: Room | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """said: what the program left; `reason` in it is "" for a success. at: RFC 3339. seconds: it took."""

    succeeded: bool
    said: Mapping[str, object]
    at: str
    seconds: float

    @property
    def reason(self) -> str:
        return str(self.said.get("reason") or "")

    @property
    def message(self) -> str:
        return str(self.said.get("message") or "")


def job(owner: Object, api_version: str, kind: str, instance: str, task: Task) -> Object:
    """owner: the Backup or instance that it works for."""
    marks = {labels.TASK: task.name, labels.JOB: instance, labels.BACKUP_UID: meta.uid(owner)}
    return {
        "apiVersion": kinds.JOBS.api_version,
        "kind": kinds.JOBS.kind,
        "metadata": {
            "name": labels.job_name(owner, task.name),
            "namespace": meta.namespace(owner),
            "labels": marks,
            "ownerReferences": [meta.owner_reference(owner, api_version, kind)],
        },
        "spec": {
            "backoffLimit": ATTEMPTS - 1,
            "activeDeadlineSeconds": LONGEST_S,
            "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [_FINAL]}}]},
            "template": {"metadata": {"labels": marks}, "spec": pod_spec(task, "Never")},
        },
    }


def pod_spec(task: Task, restart: str) -> Object:
    volumes, mounts = _own(task)
    container = {
        "name": task.name,
        "image": task.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-I", "/program/agent.pyz", task.name],
        "env": [{"name": key, "value": value.replace("$", "$$")} for key, value in sorted(_env(task).items())],
        "resources": _RESOURCES,
        "securityContext": _LOCKED,
        "volumeMounts": [*mounts, *task.store.mounts],
    }
    return {
        "restartPolicy": restart,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            **{"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [*volumes, *task.store.volumes],
    }


def _env(task: Task) -> dict[str, str]:
    target = task.target
    whom = {"MEMBER": target.member, "MEMBER_HOST": target.host, "MEMBER_PORT": str(target.port)} if target is not None else {}
    return {**task.env, **task.store.env, **whom, "TMPDIR": "/tmp"}  # noqa: S108 -- in the container


def _own(task: Task) -> tuple[list[Object], list[Object]]:
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}, {"name": "program", "configMap": {"name": task.program}}]
    mounts: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- in the container
        {"name": "program", "mountPath": "/program", "readOnly": True},
    ]
    if task.target is not None:
        volumes.append({"name": "tls", "secret": {"secretName": task.target.tls, "defaultMode": 0o440}})
        mounts.append({"name": "tls", "mountPath": "/tls", "readOnly": True})
    if task.room is not None:
        volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": _claim(task.room)}}})
        mounts.append({"name": "scratch", "mountPath": "/scratch"})
    return volumes, mounts


def _claim(room: Room) -> Object:
    found: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": room.size}}}
    return found | ({"storageClassName": room.storage_class} if room.storage_class else {})


def result(job: Object, pods: Sequence[Object]) -> Result | None:
    """None while it works. pods: of the Job."""
    done, failed = meta.condition(job, "Complete") or {}, meta.condition(job, "Failed") or {}
    ended = next((each for each in (done, failed) if each.get("status") == "True"), None)
    if ended is None:
        return None
    at = ended.get("lastTransitionTime") or ""
    began = (job.get("status") or {}).get("startTime") or at
    seconds = max(0.0, meta.parse_rfc3339(at) - meta.parse_rfc3339(began)) if at else 0.0
    return Result(ended is done, _said(pods) or _unsaid(failed), at, seconds)


def trouble(pods: Sequence[Object]) -> str:
    """Why the pods of a Job that works do not run, as far as they tell; "" when they run."""
    for pod in pods:
        unplaced = meta.condition(pod, "PodScheduled") or {}
        if unplaced.get("status") == "False":
            return f"no node has room for the Job: {unplaced.get('message') or unplaced.get('reason')}"
        for each in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = (each.get("state") or {}).get("waiting") or {}
            if waiting.get("message"):
                return f"the Job's pod waits: {waiting['message']}"
    return ""


def _said(pods: Sequence[Object]) -> Mapping[str, object]:
    """Of the pod that ended last."""
    states = [each.get("state") or {} for pod in pods for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    ends = [state["terminated"] for state in states if state.get("terminated")]
    for end in sorted(ends, key=lambda each: each.get("finishedAt") or "", reverse=True):
        found = _document(end.get("message") or "")
        if found:
            return found
    return {}


def _document(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _unsaid(failed: Object) -> Mapping[str, object]:
    """A program that was killed says nothing."""
    why = failed.get("message") or "its pod ended without a word"
    return {"reason": failed.get("reason") or "JobFailed", "message": f"the Job failed: {why}"} if failed.get("status") == "True" else {}
