"""Rules in the Common Expression Language: compiled against a schema, evaluated over JSON values within a budget.

The language itself is the CEL project's C++ implementation; Kubernetes' functions are added here. What is not there (the authorizer,
for one) is an undeclared reference when a rule is compiled, and never accepted.
"""

from pilothouse.model.cel.errors import BudgetExceeded, EvaluationFailed, RuleProblem
from pilothouse.model.cel.program import Program, compile_rule
from pilothouse.model.cel.values import as_cel, weigh

__all__ = ["BudgetExceeded", "EvaluationFailed", "Program", "RuleProblem", "as_cel", "compile_rule", "weigh"]
