"""Validation rules of a schema: what is said about them, and whether they compile against it."""

import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd.paths import resolve
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema.crd import build

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
MESSAGE_MAX = 2048
SHOWN_MAX = 1024
RULES_MAX = 1_000
"""Rules of one version: they are compiled while somebody waits."""

_OLD_SELF = re.compile(r"\boldSelf\b")


def validate_rules(rules: list[Object], schema: Object, path: str, *, is_root: bool) -> list[Cause]:
    """is_root: the rules are about the whole object, whose type and name they see."""
    causes: list[Cause] = []
    for i, rule in enumerate(rules):
        found = _rule(rule, schema, f"{path}[{i}]")
        causes += found or _compilation(rule, schema, f"{path}[{i}]", is_root=is_root)
    return causes


def _compilation(rule: Object, schema: Object, path: str, *, is_root: bool) -> list[Cause]:
    # WHY here: the language's implementation takes memory that a cluster without rules need not spend.
    from pilothouse.model.cel import RuleProblem, compile_rule

    node, optional_old = build(schema), bool(rule.get("optionalOldSelf"))
    node.type = node.type or ("object" if is_root else "")
    causes: list[Cause] = []
    for name, wanted in (("rule", "bool"), ("messageExpression", "string")):
        if not (text := rule.get(name)):
            continue
        try:
            compile_rule(text, node, is_resource=is_root or node.embedded, optional_old=optional_old, wanted=wanted)
        except RuleProblem as error:
            prefix = "messageExpression " if name == "messageExpression" and str(error).startswith("compilation") else ""
            causes.append(field.invalid(f"{path}.{name}", text[:SHOWN_MAX], f"{prefix}{error}"))
    return causes


def _rule(rule: Object, schema: Object, path: str) -> list[Cause]:
    text = (rule.get("rule") or "").strip()
    causes = [] if text else [field.required(f"{path}.rule", "rule is not specified")]
    causes += _message(rule, text, path)
    expression = rule.get("messageExpression")
    if expression and not expression.strip():
        causes.append(field.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    if (reason := rule.get("reason")) is not None and reason not in REASONS:
        causes.append(field.not_supported(f"{path}.reason", reason, REASONS))
    target = rule.get("fieldPath")
    if target and (target.strip() != target or resolve(target, schema) is None):
        causes.append(field.invalid(f"{path}.fieldPath", target, "must be a valid path"))
    if rule.get("optionalOldSelf") is not None and not _OLD_SELF.search(text):
        detail = "may not be set if oldSelf is not used in rule"
        causes.append(field.invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], detail))
    return causes


def _message(rule: Object, text: str, path: str) -> list[Cause]:
    message = rule.get("message") or ""
    if message and not message.strip():
        return [field.invalid(f"{path}.message", message, "message must be non-empty if specified")]
    if "\n" in message or "\r" in message:
        return [field.invalid(f"{path}.message", message, "must not contain line breaks")]
    if len(message) > MESSAGE_MAX:
        return [field.invalid(f"{path}.message", message[:10] + "...", f"must have a maximum length of {MESSAGE_MAX} characters")]
    if "\n" in text and not message and not rule.get("messageExpression"):
        return [field.required(f"{path}.message", "message must be specified if rule contains line breaks")]
    return []
