"""When a single container runs again, whatever the pod's own policy. Source: pkg/apis/core/validation (ContainerRestartRules)."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

RESTART_POLICIES = ("Always", "Never", "OnFailure")
ACTIONS = ("Restart", "RestartAllContainers")
OPERATORS = ("In", "NotIn")
RULES_MAX, EXIT_CODES_MAX = 20, 255


def validate_restarts(container: Object, path: str) -> list[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    if policy is None and not rules:
        return []
    causes = field.none_or_one_of(f"{path}.restartPolicy", policy, RESTART_POLICIES)
    if policy is None:
        causes.append(field.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    if len(rules) > RULES_MAX:
        causes.append(field.too_many(f"{path}.restartPolicyRules", len(rules), RULES_MAX))
    for i, rule in field.until_enough(causes, enumerate(rules)):
        causes += _rule(rule, f"{path}.restartPolicyRules[{i}]")
    return causes


def _rule(rule: Object, path: str) -> list[Cause]:
    action, codes = rule.get("action") or "", rule.get("exitCodes")
    causes = [] if action in ACTIONS else [field.not_supported(f"{path}.action", action, ACTIONS)]
    if codes is None:
        return [*causes, field.required(f"{path}.exitCodes", "must be specified")]
    operator, count = codes.get("operator") or "", len(codes.get("values") or ())
    if operator not in OPERATORS:
        causes.append(field.not_supported(f"{path}.exitCodes.operator", operator, OPERATORS))
    return [*causes, field.too_many(f"{path}.exitCodes.values", count, EXIT_CODES_MAX)] if count > EXIT_CODES_MAX else causes
