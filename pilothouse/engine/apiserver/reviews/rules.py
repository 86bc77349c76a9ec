"""The longer answers and checks of reviews: all rules of a user, and selectors inside a question."""

from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.kinds.field import until_enough
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.names import qualified_name
from pilothouse.model.selector import FieldRequirement, FieldSelector, SelectorError, parse_fields

_MOST_WORDS = 20_000
"""Verbs, groups, resources, names and paths in an answer."""


def rules_status(rbac: Rbac, user: User, namespace: str) -> Object:
    """Not all of them where they are very many: whoever may bind roles in a namespace decides how many everybody there has."""
    resources: list[Object] = []
    paths: list[Object] = []
    words = 0
    if user.is_master:
        resources.append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.append({"verbs": ["*"], "nonResourceURLs": ["*"]})
    for grant in rbac.grants(user, namespace):
        rule = grant.rule
        words += sum(len(part) for part in rule.values() if part)
        if words > _MOST_WORDS:
            why = f"the rules in the namespace {namespace} are too many to be shown"
            return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": True, "evaluationError": why}
        if rule.get("nonResourceURLs"):
            paths.append({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]})
        else:
            kept = {key: rule[key] for key in ("verbs", "apiGroups", "resources", "resourceNames") if rule.get(key)}
            if not (user.is_master and kept == resources[0]):
                resources.append(kept)
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def check_selectors(attributes: Object) -> list[Cause]:
    """As many causes as an answer shows."""
    causes: list[Cause] = []
    for name in ("fieldSelector", "labelSelector"):
        if (selector := attributes.get(name)) is not None:
            causes += _check(f"spec.resourceAttributes.{name}", selector, name == "labelSelector")
    return causes


def _check(path: str, selector: Object, labels: bool) -> list[Cause]:
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
    if raw and requirements:
        text = f'Invalid value: "{raw}": may not specified at the same time as requirements'
        return [Cause(f"{path}.rawSelector", "FieldValueInvalid", text)]
    if not raw and not requirements:
        return [
            Cause(
                f"{path}.requirements",
                "FieldValueRequired",
                f"Required value: when {path} is specified, requirements or rawSelector is required",
            )
        ]
    causes: list[Cause] = []
    for index, requirement in until_enough(causes, enumerate(requirements)):
        causes += _check_requirement(f"{path}.requirements[{index}]", requirement, labels)
    return causes


def _check_requirement(path: str, requirement: Object, labels: bool) -> list[Cause]:
    key, operator, values = requirement.get("key", ""), requirement.get("operator", ""), requirement.get("values") or []
    causes = []
    if operator in ("In", "NotIn") and not values:
        causes.append(Cause(f"{path}.values", "FieldValueRequired", "Required value: must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        causes.append(Cause(f"{path}.values", "FieldValueForbidden", text))
    if not key:
        return [*causes, Cause(f"{path}.key", "FieldValueRequired", "Required value: must be specified")]
    if labels:
        causes += [Cause(f"{path}.key", "FieldValueInvalid", f'Invalid value: "{key}": {why}') for why in qualified_name(key)]
    return causes


def selected_fields(selector: Object) -> FieldSelector:
    """What a question's field selector narrows it to: what is more than equality, or cannot be read, narrows nothing."""
    if raw := selector.get("rawSelector"):
        try:
            return parse_fields(raw)
        except SelectorError:
            return FieldSelector()
    exact = [each for each in selector.get("requirements") or () if each.get("operator") == "In" and len(each.get("values") or ()) == 1]
    return FieldSelector(tuple(FieldRequirement(each.get("key", ""), "=", each["values"][0]) for each in exact))
