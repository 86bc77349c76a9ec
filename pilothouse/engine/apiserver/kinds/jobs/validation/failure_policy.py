"""What a Job makes of failed pods: rules that look at exit codes or conditions."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
RULES_MAX, EXIT_CODES_MAX, CONDITIONS_MAX = 20, 255, 20


def validate_failure_policy(policy: Object, spec: Object, path: str) -> list[Cause]:
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {c.get("name") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    rules, here = policy.get("rules") or [], f"{path}.rules"
    causes = _at_most(rules, RULES_MAX, here)
    for i, rule in field.until_enough(causes, enumerate(rules)):
        causes += _rule(rule, spec, containers, f"{here}[{i}]")
    return causes


def _at_most(values: list[object], most: int, path: str) -> list[Cause]:
    return [field.too_many(path, len(values), most)] if len(values) > most else []


def _rule(rule: Object, spec: Object, containers: set[str | None], path: str) -> list[Cause]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or []
    causes = field.stated_one_of(f"{path}.action", action, ACTIONS)
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        causes.append(field.invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        causes += _exit_codes(codes, containers, f"{path}.onExitCodes")
    causes += _at_most(conditions, CONDITIONS_MAX, f"{path}.onPodConditions")
    for i, condition in field.until_enough(causes, enumerate(conditions)):
        causes += _condition(condition, f"{path}.onPodConditions[{i}]")
    if codes is not None and conditions:
        causes.append(field.unshown(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        causes.append(field.unshown(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return causes


def _exit_codes(codes: Object, containers: set[str | None], path: str) -> list[Cause]:
    operator, values, name = codes.get("operator") or "", codes.get("values") or [], codes.get("containerName")
    causes = field.stated_one_of(f"{path}.operator", operator, OPERATORS)
    if name is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        causes.append(field.invalid(f"{path}.containerName", name, detail))
    if not values:
        causes.append(field.invalid(f"{path}.values", codes.get("values"), "at least one value is required"))
    causes += _at_most(values, EXIT_CODES_MAX, f"{path}.values")
    unique = field.Unique()
    for i, value in field.until_enough(causes, enumerate(values)):
        if value == 0 and operator == "In":
            causes.append(field.invalid(f"{path}.values[{i}]", value, "must not be 0 for the In operator"))
        causes += unique.check(f"{path}.values[{i}]", value)
    if values != sorted(values):
        causes.append(field.invalid(f"{path}.values", values, "must be ordered"))
    return causes


def _condition(condition: Object, path: str) -> list[Cause]:
    kind, status = condition.get("type") or "", condition.get("status") or ""
    causes = field.each_invalid(f"{path}.type", kind, names.qualified_name(kind))
    return causes + field.stated_one_of(f"{path}.status", status, STATUSES)
