"""How fast an autoscaler may go: policies and windows for each direction."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.quantities import is_negative
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

MOST_WINDOW_S, MOST_PERIOD_S = 3600, 1800
_SELECTIONS, _TYPES = ("Disabled", "Max", "Min"), ("Percent", "Pods")


def validate(behavior: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name in ("scaleUp", "scaleDown"):
        if (rules := behavior.get(name)) is not None:
            causes += _rules(rules, f"{path}.{name}")
    return causes


def _rules(rules: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if (window_s := rules.get("stabilizationWindowSeconds")) is not None:
        at = f"{path}.stabilizationWindowSeconds"
        if window_s < 0:
            causes.append(field.invalid(at, window_s, "must be greater than or equal to zero"))
        if window_s > MOST_WINDOW_S:
            causes.append(field.invalid(at, window_s, f"must be less than or equal to {MOST_WINDOW_S}"))
    causes += field.none_or_one_of(f"{path}.selectPolicy", rules.get("selectPolicy"), _SELECTIONS)
    policies = rules.get("policies") or []
    if not policies:
        causes.append(field.required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(field.until_enough(causes, policies)):
        causes += _policy(policy, f"{path}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and is_negative(tolerance):
        causes.append(field.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0"))
    return causes


def _policy(policy: Object, path: str) -> list[Cause]:
    causes = field.none_or_one_of(f"{path}.type", policy.get("type") or "", _TYPES)
    value, period_s = policy.get("value") or 0, policy.get("periodSeconds") or 0
    if value <= 0:
        causes.append(field.invalid(f"{path}.value", value, "must be greater than zero"))
    if period_s <= 0:
        causes.append(field.invalid(f"{path}.periodSeconds", period_s, "must be greater than zero"))
    if period_s > MOST_PERIOD_S:
        causes.append(field.invalid(f"{path}.periodSeconds", period_s, f"must be less than or equal to {MOST_PERIOD_S}"))
    return causes
