"""Deployments, replica sets, jobs, cron jobs and their templates in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import (
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    NONE,
    UNSET,
    age,
    containers,
    duration,
    labels,
    name,
    selector,
    since,
)
from pilothouse.model.json import Object
from pilothouse.model.meta import controller_of, parse_rfc3339

_SELECTOR = Column("Selector", "Label selector of the pods that belong to the object.", priority=1)

DEPLOYMENT_COLUMNS = (
    NAME_COLUMN,
    Column("Ready", "Number of the pod with ready state"),
    Column("Up-to-date", "Pods that are made from the current template."),
    Column("Available", "Pods that have been ready for long enough."),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    _SELECTOR,
)
REPLICASET_COLUMNS = (
    NAME_COLUMN,
    Column("Desired", "How many pods there should be.", type="integer"),
    Column("Current", "How many pods there are.", type="integer"),
    Column("Ready", "How many of them are ready.", type="integer"),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    _SELECTOR,
)
STATEFULSET_COLUMNS = (
    NAME_COLUMN,
    Column("Ready", "Number of the pod with ready state"),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
)
DAEMONSET_COLUMNS = (
    NAME_COLUMN,
    Column("Desired", "On how many nodes there should be a pod.", type="integer"),
    Column("Current", "On how many of them there is one.", type="integer"),
    Column("Ready", "On how many of them one is ready.", type="integer"),
    Column("Up-to-date", "On how many of them one is made from the current template.", type="integer"),
    Column("Available", "On how many of them one has been ready for long enough.", type="integer"),
    Column("Node Selector", "Labels that a node has to have."),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    _SELECTOR,
)
_DAEMONSET_COUNTS = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
JOB_COLUMNS = (
    NAME_COLUMN,
    Column("Status", "Status of the job."),
    Column("Completions", "How many pods have succeeded, of how many that must."),
    Column("Duration", "Time required to complete the job."),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    _SELECTOR,
)
CRONJOB_COLUMNS = (
    NAME_COLUMN,
    Column("Schedule", "The line that says when Jobs are made, as cron writes it."),
    Column("Timezone", "The time zone of the schedule."),
    Column("Suspend", "Whether no Jobs are made for now.", type="boolean"),
    Column("Active", "How many Jobs are running.", type="integer"),
    Column("Last Schedule", "How long ago a Job was last due and made."),
    AGE_COLUMN,
    CONTAINERS_COLUMN,
    IMAGES_COLUMN,
    _SELECTOR,
)
SCALE_COLUMNS = (
    Column("Name", NAME_COLUMN.description),
    Column("Desired", "How many instances there should be.", type="integer"),
    Column("Available", "How many instances have been seen.", type="integer"),
    AGE_COLUMN,
)
PODTEMPLATE_COLUMNS = (
    NAME_COLUMN,
    Column("Containers", "Names of each container in the template."),
    Column("Images", "Images referenced by each container in the template."),
    Column("Pod Labels", "The labels for the pod template."),
)
BUDGET_COLUMNS = (
    NAME_COLUMN,
    Column("Min Available", "The minimum number of pods that must be available."),
    Column("Max Unavailable", "The maximum number of pods that may be unavailable."),
    Column("Allowed Disruptions", "How many pods may be evicted right now.", type="integer"),
    AGE_COLUMN,
)
REVISION_COLUMNS = (
    NAME_COLUMN,
    Column("Controller", "Controller of the object"),
    Column("Revision", "Number of the state that the object keeps."),
    AGE_COLUMN,
)
_JOB_CONDITIONS = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def _template(obj: Object) -> list[Any]:
    spec = obj.get("spec") or {}
    return [*containers((spec.get("template") or {}).get("spec") or {}), selector(spec.get("selector"))]


def deployment_cells(obj: Object, now: datetime) -> list[Any]:
    wanted, status = (obj.get("spec") or {}).get("replicas") or 0, obj.get("status") or {}
    ready = f"{status.get('readyReplicas') or 0}/{wanted}"
    counts = [status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0]
    return [name(obj), ready, *counts, age(obj, now), *_template(obj)]


def replicaset_cells(obj: Object, now: datetime) -> list[Any]:
    wanted, status = (obj.get("spec") or {}).get("replicas") or 0, obj.get("status") or {}
    return [name(obj), wanted, status.get("replicas") or 0, status.get("readyReplicas") or 0, age(obj, now), *_template(obj)]


def replicationcontroller_cells(obj: Object, now: datetime) -> list[Any]:
    """As those of a ReplicaSet; its selector is a plain set of labels."""
    return [*replicaset_cells(obj, now)[:-1], labels((obj.get("spec") or {}).get("selector"))]


def statefulset_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}"
    return [name(obj), ready, age(obj, now), *containers((spec.get("template") or {}).get("spec") or {})]


def daemonset_cells(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    pod = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
    counts = [status.get(count) or 0 for count in _DAEMONSET_COUNTS]
    return [name(obj), *counts, labels(pod.get("nodeSelector")), age(obj, now), *_template(obj)]


def job_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [name(obj), _job_state(obj, status), _completions(spec, status), _job_time(status, now), age(obj, now), *_template(obj)]


def _job_state(obj: Object, status: Object) -> str:
    holds = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    for kind in ("Complete", "Failed"):
        if kind in holds:
            return kind
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((kind for kind in _JOB_CONDITIONS if kind in holds), "Running")


def _completions(spec: Object, status: Object) -> str:
    done, needed, parallel = status.get("succeeded") or 0, spec.get("completions"), spec.get("parallelism") or 0
    if needed is not None:
        return f"{done}/{needed}"
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_time(status: Object, now: datetime) -> str:
    if not status.get("startTime"):
        return ""
    end = parse_rfc3339(status["completionTime"]) if status.get("completionTime") else now.timestamp()
    return duration(end - parse_rfc3339(status["startTime"]))


def cronjob_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    last, suspend = status.get("lastScheduleTime"), spec.get("suspend")
    return [
        name(obj),
        spec.get("schedule") or "",
        spec.get("timeZone") or NONE,
        UNSET if suspend is None else str(suspend),
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(obj, now),
        *_template({"spec": (spec.get("jobTemplate") or {}).get("spec")}),
    ]


def podtemplate_cells(obj: Object, now: datetime) -> list[Any]:
    template = obj.get("template") or {}
    return [name(obj), *containers(template.get("spec") or {}), labels((template.get("metadata") or {}).get("labels"))]


def budget_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    limits = ["N/A" if spec.get(side) is None else str(spec[side]) for side in ("minAvailable", "maxUnavailable")]
    return [name(obj), *limits, status.get("disruptionsAllowed") or 0, age(obj, now)]


def revision_cells(obj: Object, now: datetime) -> list[Any]:
    owner = controller_of(obj)
    shown = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = owner.get("kind", "").lower()
        shown = f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return [name(obj), shown, obj.get("revision") or 0, age(obj, now)]


def scale_cells(obj: Object, now: datetime) -> list[Any]:
    counts = [(obj.get(part) or {}).get("replicas") or 0 for part in ("spec", "status")]
    return [name(obj), *counts, age(obj, now)]
