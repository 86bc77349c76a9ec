"""Rules about the values of a schema, with `self` and `oldSelf`.

Source: apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cel_expr_python import cel
from google.protobuf.descriptor_pool import DescriptorPool

from pilothouse.model.cel.check import checked
from pilothouse.model.cel.environment import checking
from pilothouse.model.cel.errors import RuleProblem
from pilothouse.model.cel.functions.formats import with_optionals
from pilothouse.model.cel.program import Program
from pilothouse.model.cel.source import with_known_macros
from pilothouse.model.cel.tree import Expr, Tree
from pilothouse.model.cel.types import type_of_schema
from pilothouse.model.cel.values import Weight
from pilothouse.model.schema.node import Node

_NOT_A_BOOL = "cel expression must evaluate to a bool"
_NOT_A_TEXT = "messageExpression must evaluate to a string"
# No variable can be optional by declaration; one of a macro can. The rule stands on lines of its own, for the positions in messages.
_OPTIONAL = "[dyn(oldSelf) == null ? optional.none() : optional.of(oldSelf)].map(oldSelf,\n{}\n)[0]"
_OWN_USES = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """uses_old: whether it speaks of oldSelf, so that it is about a transition. body: what its author wrote, to estimate its cost."""

    program: Program
    uses_old: bool
    body: Expr
    tree: Tree

    def run(self, value: Any, old: Any, weight: Weight) -> Any:
        """value, old: from `as_cel`; old is None where there is none. Raises EvaluationFailed, BudgetExceeded."""
        return self.program.run({"self": value, "oldSelf": old}, weight)


class RuleCompiler:
    """Of the rules at one place of a schema. is_resource: they see the type and the name of an object."""

    def __init__(self, node: Node, *, is_resource: bool = False) -> None:
        self.node = node
        self.is_resource = is_resource

    def rule(self, text: str, *, optional_old: bool = False) -> Rule:
        """Raises RuleProblem."""
        return self._compiled(text, optional_old, cel.Type.BOOL, _NOT_A_BOOL)

    def message(self, text: str, *, optional_old: bool = False) -> Rule:
        """Raises RuleProblem."""
        return self._compiled(text, optional_old, cel.Type.STRING, _NOT_A_TEXT)

    def _compiled(self, text: str, optional_old: bool, wanted: cel.Type, otherwise: str) -> Rule:
        text = with_optionals(with_known_macros(text))
        whole = _OPTIONAL.format(text) if optional_old else text
        type, tree = checked(whole, self._checking, lines_before=1 if optional_old else 0)
        if type != wanted:
            raise RuleProblem(otherwise)
        uses = sum(each.kind == "ident" and each.name == "oldSelf" for each, _ in tree.walk())
        program = Program(whole, tree, ("self", "oldSelf"))
        return Rule(program, uses > (_OWN_USES if optional_old else 0), _body(tree.root) if optional_old else tree.root, tree)

    @cached_property
    def _checking(self) -> cel.Env:
        type, pool = self._type
        return checking({"self": type, "oldSelf": type}, pool)

    @cached_property
    def _type(self) -> tuple[cel.Type, DescriptorPool]:
        return type_of_schema(self.node, is_resource=self.is_resource)


def _body(wrapped: Expr) -> Expr:
    """What is within `_OPTIONAL`: the one element that each step of its macro appends."""
    step = next(each for each in wrapped.below[0].below if each.kind == "call" and each.name == "_+_")
    return step.below[1].below[0]
