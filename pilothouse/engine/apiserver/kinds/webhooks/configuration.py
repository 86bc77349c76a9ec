"""The two kinds, as values. What they have in common is all but `reinvocationPolicy`."""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import DEAR, Kind
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.engine.apiserver.kinds.webhooks.client_config import default_client_config, validate_client_config
from pilothouse.engine.apiserver.kinds.webhooks.conditions import COMPILED_MAX, validate_conditions
from pilothouse.engine.apiserver.kinds.webhooks.rules import validate_rule
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same
from pilothouse.model.resource import Resource

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
SIDE_EFFECTS = ("None", "NoneOnDryRun")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
REVIEW_VERSIONS = ("v1", "v1beta1")
"""Of AdmissionReview, preferred first."""

TIMEOUT_S = 10
LONGEST_S = 30
_RESERVED = ".static.k8s.io"
_RESERVED_WARNING = (
    f'metadata.name: names ending with "{_RESERVED}" are reserved for static manifest-based configurations '
    "and cannot be managed via the API"
)


def _default(hook: Object) -> None:
    for name, value in (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", TIMEOUT_S)):
        if hook.get(name) is None:
            hook[name] = value
    for name in ("namespaceSelector", "objectSelector"):
        if hook.get(name) is None:
            hook[name] = {}
    for rule in hook.get("rules") or ():
        if rule.get("scope") is None:
            rule["scope"] = "*"
    default_client_config(hook.get("clientConfig") or {})


def _default_mutating(obj: Object) -> None:
    _default_validating(obj)
    for hook in obj.get("webhooks") or ():
        if hook.get("reinvocationPolicy") is None:
            hook["reinvocationPolicy"] = "Never"


def _default_validating(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        _default(hook)


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain, namespaced=False) + _webhooks(obj, judges_conditions=True)


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    """Conditions that have not changed are not judged anew."""
    stated, before = obj.get("webhooks") or [], old.get("webhooks") or []
    unchanged = len(stated) == len(before) and all(
        same(hook.get("matchConditions"), was.get("matchConditions")) for hook, was in zip(stated, before, strict=True)
    )
    return metadata.validate_update(obj, old) + _webhooks(obj, judges_conditions=not unchanged)


def _webhooks(obj: Object, *, judges_conditions: bool) -> list[Cause]:
    hooks = obj.get("webhooks") or []
    conditions = sum(len(hook.get("matchConditions") or ()) for hook in hooks) if judges_conditions else 0
    if conditions > COMPILED_MAX:
        return [field.invalid("webhooks", None, f"must have at most {COMPILED_MAX} match conditions in all: it has {conditions}")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, hook in field.until_enough(causes, enumerate(hooks)):
        path, name = f"webhooks[{i}]", hook.get("name") or ""
        causes += _webhook(hook, path, judges_conditions=judges_conditions)
        causes += _review_versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions")
        if name in seen:
            causes.append(field.duplicate(f"{path}.name", name))
        if name:
            seen.add(name)
    return causes


def _webhook(hook: Object, path: str, *, judges_conditions: bool) -> list[Cause]:
    causes = _name(hook.get("name") or "", f"{path}.name")
    for i, rule in field.until_enough(causes, enumerate(hook.get("rules") or ())):
        causes += validate_rule(rule, f"{path}.rules[{i}]")
    causes += field.none_or_one_of(f"{path}.failurePolicy", hook.get("failurePolicy"), FAILURE_POLICIES)
    causes += field.none_or_one_of(f"{path}.matchPolicy", hook.get("matchPolicy"), MATCH_POLICIES)
    if hook.get("sideEffects") is None:
        causes.append(field.required(f"{path}.sideEffects", f"must specify one of {', '.join(SIDE_EFFECTS)}"))
    causes += field.none_or_one_of(f"{path}.sideEffects", hook.get("sideEffects"), SIDE_EFFECTS)
    timeout_s = hook.get("timeoutSeconds")
    if timeout_s is not None and not 1 <= timeout_s <= LONGEST_S:
        causes.append(field.invalid(f"{path}.timeoutSeconds", timeout_s, "the timeout value must be between 1 and 30 seconds"))
    causes += validate_label_selector(hook.get("namespaceSelector"), f"{path}.namespaceSelector")
    causes += validate_label_selector(hook.get("objectSelector"), f"{path}.objectSelector")
    causes += field.none_or_one_of(f"{path}.reinvocationPolicy", hook.get("reinvocationPolicy"), REINVOCATION_POLICIES)
    causes += _client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    if judges_conditions:
        causes += validate_conditions(hook.get("matchConditions") or [], f"{path}.matchConditions")
    return causes


def _name(name: str, path: str) -> list[Cause]:
    return field.each_invalid(path, name, names.fully_qualified_name(name)) if name else [field.required(path)]


def _client_config(config: Object, path: str) -> list[Cause]:
    if (config.get("url") is None) == (config.get("service") is None):
        return [field.required(path, "exactly one of url or service is required")]
    return validate_client_config(config, path)


def _review_versions(versions: list[str], path: str) -> list[Cause]:
    shown = ", ".join(REVIEW_VERSIONS)
    if not versions:
        return [field.required(path, f"must specify one of {shown}")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, version in field.until_enough(causes, enumerate(versions)):
        if version in seen:
            causes.append(field.invalid(f"{path}[{i}]", version, "duplicate version"))
            continue
        seen.add(version)
        causes += field.each_invalid(f"{path}[{i}]", version, names.dns1035_label(version))
    if not seen & set(REVIEW_VERSIONS):
        causes.append(field.invalid(path, versions, f"must include at least one of {shown}"))
    return causes


def _warnings(obj: Object) -> list[str]:
    return [_RESERVED_WARNING] if (obj["metadata"].get("name") or "").endswith(_RESERVED) else []


def _kind(resource: Resource, *, mutating: bool) -> Kind:
    return Kind(
        resource,
        f"io.k8s.api.admissionregistration.v1.{resource.kind}",
        default=_default_mutating if mutating else _default_validating,
        prepare_create=strategy.create(),
        prepare_update=strategy.update(),
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        columns=printer.WEBHOOKS_COLUMNS,
        cells=printer.webhooks_cells,
        unconditional_update=False,
        breadth=DEAR,
    )


MUTATING = _kind(kinds.MUTATING_WEBHOOKS, mutating=True)
VALIDATING = _kind(kinds.VALIDATING_WEBHOOKS, mutating=False)
