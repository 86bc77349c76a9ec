"""Jobs: defaults, the selector that finds a job's own pods, what may change while it is suspended.

Source: pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.job_validation import validate_generated_selector, validate_spec
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_validation.warnings import spec_warnings
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
BACKOFF_LIMIT, UNLIMITED = 6, 2**31 - 1
_COUNTS = ("active", "ready", "succeeded", "failed", "terminating")
_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _absent(spec, "parallelism", 1)
    _absent(spec, "backoffLimit", BACKOFF_LIMIT if spec.get("backoffLimitPerIndex") is None else UNLIMITED)
    _absent(spec, "completionMode", "NonIndexed")
    _absent(spec, "suspend", False)
    _absent(spec, "manualSelector", False)
    policy = spec.get("podFailurePolicy")
    _absent(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in (policy or {}).get("rules") or ():
        for condition in rule.get("onPodConditions") or ():
            condition["status"] = condition.get("status") or "True"
    if spec.get("template") is None:
        spec["template"] = {}
    default_template(spec["template"])
    _inherit_labels(obj)


def _absent(target: Object, name: str, value: Any) -> None:
    if target.get(name) is None:
        target[name] = value


def _inherit_labels(obj: Object) -> None:
    """A job without labels wears its template's."""
    labels = (obj["spec"]["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


_create = strategy.create(status={})


def prepare_create(obj: Object, context: Context) -> None:
    _create(obj, context)
    if not obj["spec"].get("manualSelector"):
        _generate_selector(obj)
    _inherit_labels(obj)


def _generate_selector(obj: Object) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    template = spec["template"].setdefault("metadata", {})
    labels = dict(template.get("labels") or {})
    template["labels"] = labels
    for wanted, value in ((NAME_LABELS, meta.get("name") or ""), (UID_LABELS, meta.get("uid") or "")):
        for label in wanted:
            labels.setdefault(label, value)
    selector = spec.get("selector") or {}
    spec["selector"] = selector
    selector["matchLabels"] = {UID_LABELS[1]: meta.get("uid") or ""} | (selector.get("matchLabels") or {})


def validate(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    return causes + validate_generated_selector(obj) + validate_spec(obj.get("spec") or {})


def validate_update(obj: Object, old: Object) -> list[Cause]:
    # Upstream judges the whole job and then the new spec once more.
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    causes = validate(obj) + metadata.validate_update(obj, old) + validate_spec(spec)
    causes += _completions(spec, before)
    causes += field.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    causes += _template_update(spec, old)
    for name in field.until_enough(causes, ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")):
        causes += field.immutable(f"spec.{name}", spec.get(name), before.get(name))
    return causes


def _completions(spec: Object, before: Object) -> list[Cause]:
    """Fixed, unless an indexed job scales completions and parallelism together."""
    wanted = spec.get("completions")
    if wanted == before.get("completions"):
        return []
    if spec.get("completionMode") == "Indexed" and wanted is not None and wanted == spec.get("parallelism"):
        return []
    if spec.get("completionMode") == "Indexed":
        detail = f"can only be modified in tandem with parallelism ({spec.get('parallelism')})"
        return [field.invalid("spec.completions", wanted, detail)]
    return [field.invalid("spec.completions", wanted, field.IMMUTABLE)]


def _template_update(spec: Object, old: Object) -> list[Cause]:
    before = old.get("spec") or {}
    new, was = spec.get("template") or {}, before.get("template") or {}
    never_ran = before.get("suspend") and not (old.get("status") or {}).get("startTime")
    if new == was or (never_ran and _without_directives(new) == _without_directives(was)):
        return []
    return [field.invalid("spec.template", new, field.IMMUTABLE)]


def _without_directives(template: Object) -> Object:
    """What stays fixed while a job waits: all but labels, annotations and the choice of nodes."""
    spec = dict(template.get("spec") or {})
    for name in _DIRECTIVES:
        spec.pop(name, None)
    affinity = {kind: value for kind, value in (spec.pop("affinity", None) or {}).items() if kind != "nodeAffinity"}
    meta = {name: value for name, value in (template.get("metadata") or {}).items() if name not in ("labels", "annotations")}
    return {"spec": spec, "affinity": affinity, "metadata": meta}


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    status = obj.get("status") or {}
    for name in field.until_enough(causes, _COUNTS):
        causes += field.non_negative(f"status.{name}", status.get(name))
    return causes


def selectable(obj: Object) -> dict[str, str]:
    return metadata.selectable(obj) | {"status.successful": str((obj.get("status") or {}).get("succeeded") or 0)}


def _warnings(obj: Object) -> list[str]:
    return spec_warnings(((obj.get("spec") or {}).get("template") or {}).get("spec") or {}, "spec.template.spec")


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    return _warnings(obj) if strategy.is_new_generation(obj, old) else []


JOB = Kind(
    kinds.JOBS,
    "io.k8s.api.batch.v1.Job",
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.update(),
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    warnings=_warnings,
    warnings_on_update=_warnings_on_update,
    columns=printer.JOB_COLUMNS,
    cells=printer.job_cells,
    selectable=selectable,
    selectable_fields=frozenset(selectable({"metadata": {}})),
    selector_refusal='field label "{label}" not supported for Job',
    returns_object_on_delete=True,
    default_propagation="Orphan",
)
