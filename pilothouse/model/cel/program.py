"""A rule, compiled: what it uses, what it may cost, and its evaluation.

The implementation gives up after 10,000 steps of comprehensions; `_afford` bounds what each step may take, since nothing stops it
in between.
"""

from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings

from pilothouse.model.cel.check import Checker
from pilothouse.model.cel.errors import BudgetExceeded, EvaluationFailed, RuleProblem, without_status
from pilothouse.model.cel.functions import KUBERNETES
from pilothouse.model.cel.tree import Tree, decode
from pilothouse.model.cel.values import Weight
from pilothouse.model.schema.node import Node

RULE_MAX = 16 * 1024
"""Characters of a rule; upstream bounds its estimated cost instead."""

_COMPLAINT_MAX = 2_048
_STEPS = 10_000
_BUDGET_NS = 150_000_000
_STEP_NS, _CHARACTER_NS, _ITEM_NS = 100, 1, 50
_SPLITTING = frozenset({"split", "findAll"})
_COMPARING = frozenset({"@in", "_==_", "_!=_", "indexOf", "lastIndexOf", "sum", "min", "max", "isSorted"})
_TYPES = {"string": cel.Type.STRING, "integer": cel.Type.INT, "number": cel.Type.DOUBLE, "boolean": cel.Type.BOOL}
_SCHEMA_TYPES = {"bool": "boolean", "string": "string"}
_WANTED = {"bool": cel.Type.BOOL, "string": cel.Type.STRING}


class Program:
    """uses_old: whether it speaks of oldSelf, so that it is about a transition."""

    def __init__(self, expression: cel.Expression, tree: Tree) -> None:
        self._expression = expression
        walked = list(tree.walk())
        self.uses_old = any(each.kind == "ident" and each.name == "oldSelf" for each, _ in walked)
        calls = [each for each, _ in walked if each.kind == "call"]
        self._depth = max((depth + 1 for each, depth in walked if each.kind == "comprehension"), default=0)
        self._parts = len(walked)
        self._calls = len(calls)
        self._comparing = sum(each.name in _COMPARING and not any(part.kind == "const" for part in each.below) for each in calls)
        self._splits = any(each.name in _SPLITTING for each in calls)
        self._joins = sum(each.name == "_+_" for each in calls)

    def run(self, value: Any, old: Any, weight: Weight, *, has_old: bool) -> Any:
        """value, old: from `as_cel`. Returns a bool or a text. Raises EvaluationFailed, BudgetExceeded."""
        self._afford(weight)
        try:
            result = self._expression.eval(data={"self": value, "oldSelf": old, "hasOldSelf": has_old})
        except RuntimeError as error:
            if "budget exceeded" in str(error):
                raise BudgetExceeded from None
            raise EvaluationFailed.of(str(error)) from None
        if result.type() == cel.Type.ERROR:
            raise EvaluationFailed.of(str(result.value()))
        return result.plain_value()

    def _afford(self, weight: Weight) -> None:
        """Raises BudgetExceeded when the worst case of the rule over values so large would hold everybody up."""
        longest = max(weight.longest_list, 16, weight.longest_text if self._splits else 0)
        steps = min(_STEPS, longest**self._depth)
        text = weight.longest_text * (self._joins + 1) << self._depth
        each = self._parts * _STEP_NS + self._calls * text * _CHARACTER_NS + self._comparing * longest * _ITEM_NS
        if steps * each > _BUDGET_NS:
            raise BudgetExceeded


def compile_rule(text: str, node: Node, *, is_resource: bool = False, optional_old: bool = False, wanted: str = "bool") -> Program:
    """A rule about values of the schema. wanted: `bool` or `string`, what it has to come to. Raises RuleProblem."""
    if len(text) > RULE_MAX:
        raise RuleProblem(f"the expression is too long: {len(text)} characters, at most {RULE_MAX} are compiled")
    kind = "" if node.int_or_string or node.format else node.type
    expression, tree = _compiled(text, kind, optional_old)
    scope = {"self": (node, is_resource), "oldSelf": None if optional_old else (node, is_resource)}
    outcome = Checker(tree, text).check(scope)
    if not _comes_to(wanted, expression.return_type(), None if outcome is None else outcome[0]):
        raise RuleProblem("cel expression must evaluate to a bool" if wanted == "bool" else "messageExpression must evaluate to a string")
    if optional_old:
        expression, _ = _compiled(f"[hasOldSelf ? optional.of(oldSelf) : optional.none()].map(oldSelf, {text}\n)[0]", kind, False)
    return Program(expression, tree)


def _comes_to(wanted: str, type: cel.Type, outcome: Node | None) -> bool:
    if outcome is not None:
        return outcome.type == _SCHEMA_TYPES[wanted] and not outcome.format
    return bool(type == cel.Type.DYN or _WANTED[wanted].is_assignable_from(type))


@lru_cache(maxsize=512)
def _compiled(text: str, kind: str, optional_old: bool) -> tuple[cel.Expression, Tree]:
    try:
        expression = _environment(kind, optional_old).compile(text)
    except RuntimeError as error:
        # Each complaint repeats the rule's line.
        raise RuleProblem(f"compilation failed: {without_status(str(error))[:_COMPLAINT_MAX]}") from None
    return expression, decode(expression.serialize())


@cache
def _environment(kind: str, optional_old: bool) -> cel.Env:
    """kind: the type of a scalar's schema; anything else is typed when it is evaluated."""
    type = _TYPES.get(kind, cel.Type.DYN)
    old = cel.Type.DYN if optional_old else type
    variables = {"self": type, "oldSelf": old, "hasOldSelf": cel.Type.BOOL}
    return cel.NewEnv(variables=variables, extensions=[ExtStrings(), ExtOptional(), cel.CelExtension("kubernetes", KUBERNETES)])
