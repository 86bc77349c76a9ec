"""ReplicationControllers: what ReplicaSets were before them, with a plain set of labels as selector.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation, pkg/registry/core/replicationcontroller/strategy.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.engine.apiserver.kinds.workloads.deployments import validate_counts
from pilothouse.engine.apiserver.kinds.workloads.templates import validate_lasting_template, warnings, warnings_on_update
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy.fill(spec, "replicas", 1)
    if (template := spec.get("template")) is None:
        return
    if labels := (template.get("metadata") or {}).get("labels"):
        spec["selector"] = spec.get("selector") or dict(labels)
        obj["metadata"]["labels"] = obj["metadata"].get("labels") or dict(labels)
    default_template(template)


def _spec(spec: Object) -> list[Cause]:
    selector, template = spec.get("selector") or {}, spec.get("template")
    causes = field.non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    if not selector:
        causes.append(field.required("spec.selector"))
    causes += field.non_negative("spec.replicas", spec.get("replicas"))
    if template is None:
        return [*causes, field.required("spec.template")]
    labels = (template.get("metadata") or {}).get("labels")
    if not selector.items() <= (labels or {}).items():
        causes.append(field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes + validate_lasting_template(template, "ReplicationController")


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + _spec(obj.get("spec") or {})


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    # Upstream judges the whole object and then the new spec once more.
    return _validate(obj) + metadata.validate_update(obj, old) + _spec(obj.get("spec") or {})


def _validate_status(obj: Object, old: Object) -> list[Cause]:
    counts = ("replicas", *_PARTS, "observedGeneration")
    return metadata.validate_update(obj, old) + validate_counts(obj.get("status") or {}, counts, _PARTS)


def _selectable(obj: Object) -> dict[str, str]:
    return metadata.selectable(obj) | {"status.replicas": str((obj.get("status") or {}).get("replicas") or 0)}


REPLICATIONCONTROLLER = Kind(
    kinds.REPLICATIONCONTROLLERS,
    "io.k8s.api.core.v1.ReplicationController",
    default=default,
    prepare_create=strategy.create(status={"replicas": 0}),
    prepare_update=strategy.update(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status,
    warnings=warnings,
    warnings_on_update=warnings_on_update,
    columns=printer.REPLICASET_COLUMNS,
    cells=printer.replicationcontroller_cells,
    selectable=_selectable,
    selectable_fields=frozenset(_selectable({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    returns_object_on_delete=True,
    default_propagation="Orphan",
)
