"""Validation rules of a schema: what is said about them, whether they compile against it, and what they may cost."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd.costs import EXPRESSION_MAX, Total, exceeded
from pilothouse.engine.apiserver.kinds.crd.paths import resolve
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node

if TYPE_CHECKING:
    from pilothouse.model.cel import Rule, RuleCompiler

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
RULES_MAX = 1_000
"""Rules of one version: they are compiled while somebody waits."""

_GO_NAMES = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")


@dataclass(frozen=True, slots=True)
class Scope:
    """The place of rules. occurrences: how often its values can be in an object, None for no bound. total: of the whole schema.

    uncorrelated: the path above, inside of which no value can be told to be the same as before, "" for none.
    is_costly: each rule may cost what it will, since the schema was stored so.
    """

    node: Node
    is_resource: bool
    occurrences: int | None
    total: Total
    uncorrelated: str = ""
    is_costly: bool = False


def validate_texts(rules: list[Object], schema: Object, path: str) -> list[Cause]:
    """What is wrong before any rule is compiled."""
    return [cause for i, rule in enumerate(rules) for cause in _texts(rule, schema, f"{path}[{i}]")]


def _texts(rule: Object, schema: Object, path: str) -> list[Cause]:
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    causes: list[Cause] = []
    if not text:
        causes.append(field.required(f"{path}.rule", "rule is not specified"))
    elif message and not message.strip():
        causes.append(field.invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif _has_lines(message.strip()):
        causes.append(field.invalid(f"{path}.message", message, "must not contain line breaks"))
    elif _has_lines(text) and not message.strip():
        causes.append(field.required(f"{path}.message", "message must be specified if rule contains line breaks"))
    expression = rule.get("messageExpression")
    if expression and not expression.strip():
        causes.append(field.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    if (reason := rule.get("reason")) is not None and reason not in REASONS:
        causes.append(field.not_supported(f"{path}.reason", reason, REASONS))
    return causes + _field_path(rule.get("fieldPath") or "", schema, f"{path}.fieldPath")


def _field_path(target: str, schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if target and not target.strip():
        causes.append(field.invalid(path, target, "must be non-empty if specified"))
    if _has_lines(target):
        causes.append(field.invalid(path, target, "must not contain line breaks"))
    if target and resolve(target, schema) is None:
        causes.append(field.invalid(path, target, "must be a valid path"))
    return causes


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text


def validate_expressions(rules: list[Object], scope: Scope, path: str) -> list[Cause]:
    """What is wrong once rules are compiled; adds their costs to the total of the schema."""
    # WHY here: the language's implementation takes memory that a cluster without rules need not spend.
    from pilothouse.model.cel import RuleCompiler

    compiler = RuleCompiler(scope.node, is_resource=scope.is_resource)
    return [cause for i, rule in enumerate(rules) for cause in _expressions(rule, compiler, scope, f"{path}[{i}]")]


def _expressions(rule: Object, compiler: "RuleCompiler", scope: Scope, path: str) -> list[Cause]:
    from pilothouse.model.cel import RuleProblem
    from pilothouse.model.cel.cost import most_occurrences, multiplied

    optional_old = bool(rule.get("optionalOldSelf"))
    causes: list[Cause] = []
    uses_old = False
    try:
        found = compiler.rule(rule["rule"], optional_old=optional_old)
        uses_old = found.uses_old
        occurrences = most_occurrences(scope.node, is_resource=scope.is_resource) if scope.occurrences is None else scope.occurrences
        causes += _cost(multiplied(_estimate(found, scope), occurrences), "estimated rule cost", scope, f"{path}.rule")
    except RuleProblem as error:
        causes.append(field.invalid(f"{path}.rule", _as_upstream_shows(rule), str(error)))
    if text := rule.get("messageExpression"):
        try:
            message = compiler.message(text, optional_old=optional_old)
            causes += _cost(_estimate(message, scope), "estimated messageExpression cost", scope, f"{path}.messageExpression")
        except RuleProblem as error:
            prefix = "messageExpression " if str(error).startswith("compilation") else ""
            causes.append(field.invalid(f"{path}.messageExpression", _as_upstream_shows(rule), f"{prefix}{error}"))
    return causes + _old_self(rule, scope, path, uses_old=uses_old)


def _estimate(rule: "Rule", scope: Scope) -> int:
    from pilothouse.model.cel.cost import estimated_cost

    return estimated_cost(rule.body, rule.tree, scope.node, is_resource=scope.is_resource)


def _cost(cost: int, what: str, scope: Scope, path: str) -> list[Cause]:
    scope.total.note(path, cost)
    if scope.is_costly or cost <= EXPRESSION_MAX:
        return []
    return [field.forbidden(path, exceeded(what, cost, EXPRESSION_MAX))]


def _old_self(rule: Object, scope: Scope, path: str, *, uses_old: bool) -> list[Cause]:
    if uses_old and scope.uncorrelated:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {scope.uncorrelated}"
        return [field.invalid(f"{path}.rule", rule["rule"], detail)]
    if not uses_old and (stated := rule.get("optionalOldSelf")) is not None:
        return [field.invalid(f"{path}.optionalOldSelf", stated, "may not be set if oldSelf is not used in rule")]
    return []


def _as_upstream_shows(rule: Object) -> Object:
    """A rule inside of messages."""
    texts = ("rule", "message", "messageExpression", "fieldPath")
    return {name[0].upper() + name[1:]: rule.get(name, "" if name in texts else None) for name in _GO_NAMES}
