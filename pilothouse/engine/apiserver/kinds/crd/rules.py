"""Validation rules of a schema, as far as they can be judged without compiling them."""

import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd.paths import resolve
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
MESSAGE_MAX = 2048
_OLD_SELF = re.compile(r"\boldSelf\b")


def validate_rules(rules: list[Object], schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, rule in enumerate(rules):
        causes += _rule(rule, schema, f"{path}[{i}]")
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
