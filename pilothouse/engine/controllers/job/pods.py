"""The pods that a Job makes: its template, the tracking finalizer, and for an Indexed one the index in every form apps read."""

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.job import facts, indexes
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import JOBS

VARIABLE = "JOB_COMPLETION_INDEX"


def build(job: Object, index: int | None) -> Object:
    template = facts.spec(job)["template"]
    pod = pods.from_template(template, job, JOBS.api_version, JOBS.kind)
    metadata = pod["metadata"] | {"finalizers": [*meta.finalizers(pod), facts.FINALIZER]}
    if index is None:
        return pod | {"metadata": metadata}
    metadata |= {
        "generateName": f"{meta.name(job)}-{index}-",
        "annotations": (metadata.get("annotations") or {}) | {indexes.ANNOTATION: str(index)},
        "labels": (metadata.get("labels") or {}) | {indexes.ANNOTATION: str(index)},
    }
    return pod | {"metadata": metadata, "spec": _indexed(pod["spec"], f"{meta.name(job)}-{index}")}


def _indexed(spec: Object, hostname: str) -> Object:
    found: Object = {"hostname": hostname} | spec
    for field in ("containers", "initContainers"):
        if spec.get(field):
            found[field] = [_with_variable(each) for each in spec[field]]
    return found


def _with_variable(container: Object) -> Object:
    present = container.get("env") or []
    if any(each["name"] == VARIABLE for each in present):
        return container
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{indexes.ANNOTATION}']"}}
    return container | {"env": [*present, {"name": VARIABLE, "valueFrom": source}]}
