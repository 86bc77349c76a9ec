"""An expression, compiled: what it may cost, and its evaluation."""

from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel

from pilothouse.model.cel.environment import compiled
from pilothouse.model.cel.errors import BudgetExceeded, EvaluationFailed, RuleProblem, without_status
from pilothouse.model.cel.expense import Expense
from pilothouse.model.cel.tree import Tree
from pilothouse.model.cel.values import Weight

_BUDGET_NS = 150_000_000


class Program:
    def __init__(self, text: str, tree: Tree, variables: tuple[str, ...]) -> None:
        """tree: of the text as it was checked. Raises RuleProblem."""
        try:
            self._expression = compiled(text, variables)
        except RuntimeError as error:
            raise RuleProblem(f"compilation failed: {without_status(str(error))}") from None
        self._expense = Expense(tree)

    def run(self, variables: Mapping[str, Any], weight: Weight) -> Any:
        """A bool or a text. weight: of all variables.

        Raises EvaluationFailed; BudgetExceeded when the worst case over values so large would hold everybody up.
        """
        if self._expense.worst_ns(weight) > _BUDGET_NS:
            raise BudgetExceeded
        try:
            result = self._expression.eval(data=variables)
        except RuntimeError as error:
            if "budget exceeded" in str(error):
                raise BudgetExceeded from None
            raise EvaluationFailed.of(str(error)) from None
        if result.type() == cel.Type.ERROR:
            raise EvaluationFailed.of(str(result.value()))
        return result.plain_value()
