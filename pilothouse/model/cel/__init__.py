"""The Common Expression Language: rules checked against a schema, conditions about requests, evaluated over JSON within a budget.

The language itself is the CEL project's C++ implementation; Kubernetes' types and functions are added here. What is not there is an
undeclared reference when an expression is compiled, and never accepted.
"""

from pilothouse.model.cel.conditions import Admitted, Condition, compile_condition
from pilothouse.model.cel.errors import BudgetExceeded, EvaluationFailed, RuleProblem
from pilothouse.model.cel.functions.authorization import Authorizer, Decision, Question
from pilothouse.model.cel.rule import Rule, RuleCompiler
from pilothouse.model.cel.values import as_cel, weigh

__all__ = [
    "Admitted",
    "Authorizer",
    "BudgetExceeded",
    "Condition",
    "Decision",
    "EvaluationFailed",
    "Question",
    "Rule",
    "RuleCompiler",
    "RuleProblem",
    "as_cel",
    "compile_condition",
    "weigh",
]
