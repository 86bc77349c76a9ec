"""Rules of a Job's spec."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.jobs.validation.failure_policy import validate_failure_policy
from pilothouse.engine.apiserver.kinds.jobs.validation.success_policy import validate_success_policy
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_template
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.engine.apiserver.kinds.workloads.templates import selects
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError

MODES = ("NonIndexed", "Indexed")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
INDEXED_MAX, LARGE_MAX = 100_000, 10_000
MANAGED_BY_MAX = 63
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def validate_generated_selector(obj: Object) -> list[Cause]:
    """A selector that the server made finds this very job's pods and no others."""
    spec, meta = obj.get("spec") or {}, obj.get("metadata") or {}
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    uid, name = meta.get("uid") or "", meta.get("name") or ""
    expected = {"controller-uid": uid, "job-name": name}
    expected |= {f"batch.kubernetes.io/{label}": value for label, value in expected.items()}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    causes: list[Cause] = []
    for label, value in field.until_enough(causes, expected.items()):
        path = f"spec.template.metadata.labels[{label}]"
        if label not in labels:
            causes.append(field.required(path, f"must be '{value}'"))
        elif labels[label] != value:
            causes.append(field.invalid(path, labels, f"must be '{value}'"))
    if not _finds(selector, expected):
        causes.append(field.invalid("spec.selector", selector, "`selector` not auto-generated"))
    return causes


def _finds(selector: Object | None, labels: dict[str, str]) -> bool:
    """A selector that makes no sense is reported elsewhere."""
    try:
        return selects(selector, labels)
    except SelectorError:
        return True


def validate_spec(spec: Object) -> list[Cause]:
    """Of a job with the selector that the server has made, or its author."""
    causes = validate_template_spec(spec, "spec")
    selector = spec.get("selector")
    causes += [field.required("spec.selector")] if selector is None else validate_label_selector(selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not _finds(selector, labels or {}):
        causes.append(field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes


def validate_template_spec(spec: Object, path: str) -> list[Cause]:
    """What holds for the spec of a job and for that of a template of jobs."""
    causes: list[Cause] = []
    for name in field.until_enough(causes, _COUNTS):
        causes += field.non_negative(f"{path}.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.append(field.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if (manager := spec.get("managedBy")) is not None:
        causes += _managed_by(manager, f"{path}.managedBy")
    causes += _mode(spec, path)
    if (policy := spec.get("podFailurePolicy")) is not None:
        causes += validate_failure_policy(policy, spec, f"{path}.podFailurePolicy")
    if (policy := spec.get("successPolicy")) is not None:
        causes += validate_success_policy(policy, spec, f"{path}.successPolicy")
    causes += _replacement(spec, path) + validate_template(spec.get("template") or {}, f"{path}.template")
    return causes + _restart(spec, f"{path}.template.spec.restartPolicy")


def _managed_by(manager: str, path: str) -> list[Cause]:
    causes = field.each_invalid(path, manager, names.domain_prefixed_path(manager)) if manager else [field.required(path)]
    return [*causes, field.too_long(path, MANAGED_BY_MAX)] if len(manager.encode()) > MANAGED_BY_MAX else causes


def _mode(spec: Object, path: str) -> list[Cause]:
    mode = spec.get("completionMode")
    causes = field.none_or_one_of(f"{path}.completionMode", mode, MODES)
    if mode == "Indexed":
        return causes + _indexed(spec, path)
    if mode == "NonIndexed":
        causes += [
            field.invalid(f"{path}.{name}", spec[name], "requires indexed completion mode")
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(name) is not None
        ]
    return causes


def _indexed(spec: Object, path: str) -> list[Cause]:
    """The lists of indexes in the status must stay short enough to be stored."""
    completions, failures = spec.get("completions"), spec.get("maxFailedIndexes")
    causes: list[Cause] = []
    if completions is None:
        causes.append(field.required(f"{path}.completions", "when completion mode is Indexed"))
    causes += _at_most(spec, path, "parallelism", INDEXED_MAX, " when completion mode is Indexed")
    if completions is not None and failures is not None and failures > completions:
        causes.append(field.invalid(f"{path}.maxFailedIndexes", failures, "must be less than or equal to completions"))
    causes += _at_most(spec, path, "maxFailedIndexes", INDEXED_MAX)
    if (completions or 0) <= INDEXED_MAX or spec.get("backoffLimitPerIndex") is None:
        return causes
    if failures is None:
        causes.append(field.required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {INDEXED_MAX}"))
    when = f" when completions are above {INDEXED_MAX} and used with backoff limit per index"
    return causes + _at_most(spec, path, "parallelism", LARGE_MAX, when) + _at_most(spec, path, "maxFailedIndexes", LARGE_MAX, when)


def _at_most(spec: Object, path: str, name: str, most: int, when: str = "") -> list[Cause]:
    value = spec.get(name) or 0
    return [field.invalid(f"{path}.{name}", value, f"must be less than or equal to {most}{when}")] if value > most else []


def _replacement(spec: Object, path: str) -> list[Cause]:
    policy = spec.get("podReplacementPolicy")
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else REPLACEMENTS
    return field.none_or_one_of(f"{path}.podReplacementPolicy", policy, supported)


def _restart(spec: Object, path: str) -> list[Cause]:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        return [field.required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.not_supported(path, policy, ("OnFailure", "Never"))]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [field.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []
