"""Rules of a Job's spec.

Source: pkg/apis/batch/validation.
"""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_template
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.engine.apiserver.kinds.workloads import selects
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError

MODES = ("NonIndexed", "Indexed")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
PARALLELISM_MAX_INDEXED = 100000
RULES_MAX, EXIT_CODES_MAX = 20, 255
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_RESTART = "spec.template.spec.restartPolicy"


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
        path = "spec.template.metadata.labels"
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
    causes: list[Cause] = []
    for name in field.until_enough(causes, _COUNTS):
        causes += field.non_negative(f"spec.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.append(field.required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    causes += _mode(spec)
    if policy := spec.get("podFailurePolicy"):
        causes += _failure_policy(policy, spec)
    causes += _replacement(spec) + validate_template(spec.get("template") or {}, "spec.template") + _restart(spec)
    selector = spec.get("selector")
    causes += [field.required("spec.selector")] if selector is None else validate_label_selector(selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not _finds(selector, labels or {}):
        causes.append(field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes


def _mode(spec: Object) -> list[Cause]:
    mode, parallelism = spec.get("completionMode"), spec.get("parallelism") or 0
    causes: list[Cause] = []
    if mode not in (None, *MODES):
        causes.append(field.not_supported("spec.completionMode", mode, MODES))
    if mode == "Indexed":
        if spec.get("completions") is None:
            causes.append(field.required("spec.completions", "when completion mode is Indexed"))
        if parallelism > PARALLELISM_MAX_INDEXED:
            detail = f"must be less than or equal to {PARALLELISM_MAX_INDEXED} when completion mode is Indexed"
            causes.append(field.invalid("spec.parallelism", parallelism, detail))
    elif mode == "NonIndexed":
        causes += [
            field.invalid(f"spec.{name}", spec[name], "requires indexed completion mode")
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(name) is not None
        ]
    return causes


def _replacement(spec: Object) -> list[Cause]:
    policy = spec.get("podReplacementPolicy")
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else REPLACEMENTS
    return [] if policy in (None, *supported) else [field.not_supported("spec.podReplacementPolicy", policy, supported)]


def _restart(spec: Object) -> list[Cause]:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        return [field.required(_RESTART, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [field.not_supported(_RESTART, policy, ("OnFailure", "Never"))]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [field.invalid(_RESTART, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def _failure_policy(policy: Object, spec: Object) -> list[Cause]:
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    rules = policy.get("rules") or []
    path = "spec.podFailurePolicy.rules"
    causes = [field.too_many(path, len(rules), RULES_MAX)] if len(rules) > RULES_MAX else []
    for i, rule in field.until_enough(causes, enumerate(rules)):
        causes += _rule(rule, spec, containers, f"{path}[{i}]")
    return causes


def _rule(rule: Object, spec: Object, containers: set[str | None], path: str) -> list[Cause]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions")
    causes: list[Cause] = []
    if not action:
        causes.append(field.required(f"{path}.action", "valid values: [" + " ".join(f'"{each}"' for each in ACTIONS) + "]"))
    elif action not in ACTIONS:
        causes.append(field.not_supported(f"{path}.action", action, ACTIONS))
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        causes.append(field.invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        causes += _exit_codes(codes, containers, f"{path}.onExitCodes")
    for i, condition in field.until_enough(causes, enumerate(conditions or ())):
        causes += _condition(condition, f"{path}.onPodConditions[{i}]")
    if codes is not None and conditions:
        causes.append(field.invalid(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        causes.append(field.invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required"))
    return causes


def _exit_codes(codes: Object, containers: set[str | None], path: str) -> list[Cause]:
    operator, values, name = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    causes: list[Cause] = []
    if operator not in ("In", "NotIn"):
        causes.append(
            field.not_supported(f"{path}.operator", operator, ("In", "NotIn")) if operator else field.required(f"{path}.operator")
        )
    if name is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        causes.append(field.invalid(f"{path}.containerName", name, detail))
    if not values:
        causes.append(field.invalid(f"{path}.values", values, "at least one value is required"))
    if len(values) > EXIT_CODES_MAX:
        return [*causes, field.too_many(f"{path}.values", len(values), EXIT_CODES_MAX)]
    seen: set[int] = set()
    for i, value in field.until_enough(causes, enumerate(values)):
        if value == 0 and operator == "In":
            causes.append(field.invalid(f"{path}.values[{i}]", value, "must not be 0 for the In operator"))
        if value in seen:
            causes.append(field.duplicate(f"{path}.values[{i}]", value))
        seen.add(value)
    if values != sorted(values):
        causes.append(field.invalid(f"{path}.values", values, "must be ordered"))
    return causes


def _condition(condition: Object, path: str) -> list[Cause]:
    kind, status = condition.get("type") or "", condition.get("status") or ""
    causes = field.each_invalid(f"{path}.type", kind, names.qualified_name(kind))
    if status not in ("False", "True", "Unknown"):
        causes.append(field.not_supported(f"{path}.status", status, ("False", "True", "Unknown")))
    return causes
