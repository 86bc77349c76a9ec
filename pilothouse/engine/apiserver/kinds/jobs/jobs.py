"""Jobs: defaults, and the selector that finds a job's own pods.

Source: pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.jobs.validation.spec import INDEXED_MAX, LARGE_MAX, validate_generated_selector, validate_spec
from pilothouse.engine.apiserver.kinds.jobs.validation.status import validate_status
from pilothouse.engine.apiserver.kinds.jobs.validation.update import validate_spec_update
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_warnings.spec import name_warnings, template_warnings
from pilothouse.engine.apiserver.kinds.printers import workloads as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_MANY_INDEXES = (
    f"an Indexed Job with more than {INDEXED_MAX} completions and a parallelism of more than {LARGE_MAX} may have more indexes "
    "that fail than its status can hold"
)
BACKOFF_LIMIT, UNLIMITED = 6, 2**31 - 1


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    strategy.fill(spec, "parallelism", 1)
    strategy.fill(spec, "backoffLimit", BACKOFF_LIMIT if spec.get("backoffLimitPerIndex") is None else UNLIMITED)
    strategy.fill(spec, "completionMode", "NonIndexed")
    strategy.fill(spec, "suspend", False)
    strategy.fill(spec, "manualSelector", False)
    policy = spec.get("podFailurePolicy")
    strategy.fill(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in (policy or {}).get("rules") or ():
        for condition in rule.get("onPodConditions") or ():
            condition["status"] = condition.get("status") or "True"
    if spec.get("template") is None:
        spec["template"] = {}
    default_template(spec["template"])
    _inherit_labels(obj)


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
    return causes + validate_generated_selector(obj) + validate_spec(obj.get("spec") or {}) + _host_names(obj)


def _host_names(obj: Object) -> list[Cause]:
    """Those of an indexed job's pods, of which the last one's is the longest."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name") or ""
    completions = spec.get("completions") or 0
    longest = f"{name}-{completions - 1}"
    if spec.get("completionMode") != "Indexed" or completions <= 0 or not names.dns1123_label(longest):
        return []
    return [field.invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {longest}")]


def validate_update(obj: Object, old: Object) -> list[Cause]:
    # Upstream judges the whole job and then the new spec once more.
    spec = obj.get("spec") or {}
    return validate(obj) + metadata.validate_update(obj, old) + validate_spec(spec) + validate_spec_update(spec, old)


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + validate_status(obj, old)


def selectable(obj: Object) -> dict[str, str]:
    return metadata.selectable(obj) | {"status.successful": str((obj.get("status") or {}).get("succeeded") or 0)}


def spec_warnings(spec: Object, path: str) -> list[str]:
    """Of a job's spec, or of that of a template of jobs."""
    found = []
    if (
        spec.get("completionMode") == "Indexed"
        and (spec.get("completions") or 0) > INDEXED_MAX
        and (spec.get("parallelism") or 0) > LARGE_MAX
    ):
        found.append(_MANY_INDEXES)
    return found + template_warnings(spec.get("template") or {}, f"{path}.template")


def _warnings(obj: Object) -> list[str]:
    return name_warnings(obj) + spec_warnings(obj.get("spec") or {}, "spec")


def _warnings_on_update(obj: Object, old: Object) -> list[str]:
    return spec_warnings(obj.get("spec") or {}, "spec") if strategy.is_new_generation(obj, old) else []


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
