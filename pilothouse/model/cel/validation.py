"""The validation rules (`x-kubernetes-validations`) of a custom resource's schema, evaluated over a value and what it was before.

A rule that speaks of oldSelf is about a transition: it is evaluated where there is an old value to compare with. Old values are found
by field, by key of a map, and by the keys of a list of type map; nothing corresponds inside of atomic lists and sets.
What has not changed is not judged anew by rules about a single value (ratcheting): a rule can be added where there are objects.
Source: apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pilothouse.model.cel.errors import BudgetExceeded, EvaluationFailed, RuleProblem
from pilothouse.model.cel.rule import Rule, RuleCompiler
from pilothouse.model.cel.values import Weight, as_cel, weigh
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, fingerprint, same
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.validate import INVALID, NOWHERE, show

MESSAGE_MAX = 5 * 1024
_BUDGET_S = 0.2
"""Of the processor, for all rules over one object: a busy machine is no reason to refuse one."""

_NO_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_TOO_DEAR = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit"
_CAUSES_MAX = 100
_PREFIXES = {"FieldValueForbidden": "Forbidden: ", "FieldValueRequired": "Required value: "}


class _Exhausted(Exception):
    """The object has cost too much: no rule is evaluated any more."""


class Rules:
    """Of one schema; compiled when they are first needed."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._compiled: dict[int, list[_Rule]] = {}

    def at(self, node: Node) -> "Rules":
        """The rules of a part of the schema, compiled once for both."""
        part = Rules(node)
        part._compiled = self._compiled
        return part

    def check(self, value: Any, old: Any, path: str = "", *, is_resource: bool = True) -> list[Cause]:
        """What is wrong, in the order of the schema, at most up to the end of the budget. old: None where there is none.

        is_resource: the values are whole objects, with apiVersion and kind.
        """
        causes: list[Cause] = []
        walk = _Walk(self, time.thread_time() + _BUDGET_S, causes)
        with suppress(_Exhausted):
            walk.visit(self._root, value, old, path, is_resource=is_resource, unchanged=old is not None and same(value, old))
        return causes

    def of(self, node: Node, is_resource: bool) -> "list[_Rule]":
        found = self._compiled.get(id(node))
        if found is None:
            compiler = RuleCompiler(node, is_resource=is_resource)
            found = self._compiled[id(node)] = [_Rule(rule, compiler) for rule in node.rules]
        return found


class _Rule:
    """problem: why it cannot be compiled, in a definition that was stored before its rules were checked."""

    def __init__(self, rule: Object, compiler: RuleCompiler) -> None:
        self.text = rule["rule"].strip()
        self.message = (rule.get("message") or "").strip()
        self.reason = rule.get("reason") or INVALID
        self.field = rule.get("fieldPath") or ""
        self.optional_old = bool(rule.get("optionalOldSelf"))
        self.problem = ""
        self.program: Rule | None = None
        self.words: Rule | None = None
        try:
            self.program = compiler.rule(rule["rule"], optional_old=self.optional_old)
            if expression := rule.get("messageExpression"):
                self.words = compiler.message(expression, optional_old=self.optional_old)
        except RuleProblem as error:
            self.problem = str(error)

    @property
    def shown(self) -> str:
        return self.message or self.text


class _Walk:
    def __init__(self, rules: Rules, end: float, causes: list[Cause]) -> None:
        self._rules = rules
        self._end = end
        self._causes = causes

    def visit(self, node: Node, value: Any, old: Any, path: str, *, is_resource: bool, unchanged: bool) -> None:
        """unchanged: the value, or what it lies in where nothing corresponds to it, is what it was."""
        if value is None or not node.ruled:
            return
        if node.rules:
            self._judge(node, value, old, path, is_resource=is_resource, unchanged=unchanged)
        for child, each, before, where, corresponds in _below(node, value, old, path):
            still = (before is not None and same(each, before)) if corresponds else unchanged
            self.visit(child, each, before, where, is_resource=child.embedded, unchanged=still)

    def _judge(self, node: Node, value: Any, old: Any, path: str, *, is_resource: bool, unchanged: bool) -> None:
        before = None if old is None else as_cel(node, old, is_resource=is_resource)
        given = _Given(value, as_cel(node, value, is_resource=is_resource), before, weigh([value, old]))
        began = time.thread_time()
        rules = self._rules.of(node, is_resource)
        # The first object of a kind does not pay for the compilation of its rules.
        self._end += time.thread_time() - began
        for rule in rules:
            uses_old = rule.program is not None and rule.program.uses_old
            if (unchanged and not uses_old) or (uses_old and old is None and not rule.optional_old):
                continue
            if time.thread_time() > self._end:
                self._exhaust(node, path, _NO_BUDGET)
            self._judge_one(rule, node, path, given)
            if len(self._causes) >= _CAUSES_MAX:
                raise _Exhausted

    def _judge_one(self, rule: _Rule, node: Node, path: str, given: "_Given") -> None:
        if rule.program is None:
            self._causes.append(_of_type(node, path, f"rule compile error: {rule.problem}"))
            return
        try:
            if given.run(rule.program) is True:
                return
            detail = _words(rule, given) or rule.message or f"failed rule: {rule.text}"
        except EvaluationFailed as error:
            self._causes.append(_of_type(node, path, _failure(str(error), rule)))
            return
        except BudgetExceeded:
            self._exhaust(node, path, f"{_TOO_DEAR} for rule: {rule.shown}")
        self._causes.append(_cause(rule, given.value, path, detail))

    def _exhaust(self, node: Node, path: str, why: str) -> None:
        self._causes.append(_of_type(node, path, why))
        raise _Exhausted


@dataclass(frozen=True, slots=True)
class _Given:
    """What rules at one place are evaluated over: the value, as rules see it and what it was."""

    value: Any
    now: Any
    before: Any
    weight: Weight

    def run(self, rule: Rule) -> Any:
        return rule.run(self.now, self.before, self.weight)


def _words(rule: _Rule, given: _Given) -> str:
    """What the messageExpression says, "" when it says nothing of use."""
    if rule.words is None:
        return ""
    try:
        told = given.run(rule.words)
    except (EvaluationFailed, BudgetExceeded):
        return ""
    text = told.strip() if isinstance(told, str) else ""
    return "" if "\n" in text or len(text) > MESSAGE_MAX else text


def _failure(error: str, rule: _Rule) -> str:
    if error.startswith("no such overload"):
        return f"'{error}': call arguments did not match a supported operator, function or macro signature for rule: {rule.shown}"
    return f"{error} evaluating rule: {rule.shown}"


def _of_type(node: Node, path: str, message: str) -> Cause:
    return Cause(path or NOWHERE, INVALID, f'Invalid value: "{node.type}": {message}')


def _cause(rule: _Rule, value: Any, path: str, detail: str) -> Cause:
    where = (path + rule.field).lstrip(".") or NOWHERE
    shown = "" if isinstance(value, dict | list) else f"{show(value)}: "
    if rule.reason == "FieldValueDuplicate":
        return Cause(where, rule.reason, f"Duplicate value: {shown[:-2]}" if shown else "Duplicate value")
    return Cause(where, rule.reason, f"{_PREFIXES.get(rule.reason, f'Invalid value: {shown}')}{detail}")


_Part = tuple[Node, Any, Any, str, bool]
"""A child's schema, value, old value, path, and whether a child of the old value can correspond to it."""


def _below(node: Node, value: Any, old: Any, path: str) -> Iterator[_Part]:
    if isinstance(value, dict):
        yield from _fields(node, value, old if isinstance(old, dict) else {}, path)
    elif isinstance(value, list) and node.items is not None:
        yield from _items(node, node.items, value, old if isinstance(old, list) else [], path)


def _fields(node: Node, value: Object, old: Object, path: str) -> Iterator[_Part]:
    corresponds = node.map_type != "atomic"
    for key, each in value.items():
        before = old.get(key) if corresponds else None
        if (child := node.properties.get(key)) is not None:
            yield child, each, before, f"{path}.{key}" if path else key, corresponds
        elif node.additional is not None:
            yield node.additional, each, before, f"{path}[{key}]", corresponds


def _items(node: Node, items: Node, value: list[Any], old: list[Any], path: str) -> Iterator[_Part]:
    keyed = node.list_type == "map"
    known = {_key(node, each): each for each in old} if keyed else {}
    for position, each in enumerate(value):
        yield items, each, known.get(_key(node, each)) if keyed else None, f"{path}[{position}]", keyed


def _key(node: Node, item: Any) -> bytes:
    return fingerprint([item.get(key) for key in node.list_map_keys] if isinstance(item, dict) else item)
