"""Match conditions of webhooks: all must hold for a webhook to be called.

One that does not hold settles it, even where another has no answer; a condition without an answer is a failure of the webhook. So is one
that is left over when all webhooks of a request together have used up its budget.
Source: apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go.
"""

import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pilothouse.engine.apiserver.admission.context import Budget
from pilothouse.engine.apiserver.admission.webhooks.hook import Hook
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.identity import User, service_account
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, parse_fields, parse_labels

if TYPE_CHECKING:
    from pilothouse.model.cel import Condition, Decision, Question


class Unanswered(Exception):
    """Conditions that could not be evaluated; none of the others fails to hold."""


class Conditions:
    """Compiled when a webhook is first concerned, kept as long as the webhook is."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._compiled: WeakKeyDictionary[Hook, list[Condition]] = WeakKeyDictionary()

    def hold(self, hook: Hook, user: User, request: Object, new: Object | None, old: Object | None, *, budget: Budget) -> bool:
        """request: that of the AdmissionReview. Raises Unanswered."""
        began = time.thread_time()
        try:
            return self._hold(hook, user, request, new, old, until=began + budget.left_s)
        finally:
            budget.left_s -= time.thread_time() - began

    def _hold(self, hook: Hook, user: User, request: Object, new: Object | None, old: Object | None, *, until: float) -> bool:
        # WHY here: the language's implementation takes memory that a cluster without conditions need not spend.
        from pilothouse.model.cel import Admitted, BudgetExceeded, EvaluationFailed

        admitted = Admitted(new, old, request, _Rights(self._authorizer, user))
        problems = []
        for (name, expression), condition in zip(hook.conditions, self._of(hook), strict=True):
            try:
                if time.thread_time() > until:
                    raise BudgetExceeded
                if not condition.holds(admitted):
                    return False
            except EvaluationFailed as error:
                problems.append(f"expression '{expression}' resulted in error: {error}")
            except BudgetExceeded:
                problems.append(f"validation failed due to running out of cost budget, no further validation rules will be run: {name}")
        if problems:
            raise Unanswered(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
        return True

    def _of(self, hook: Hook) -> "list[Condition]":
        from pilothouse.model.cel import compile_condition

        found = self._compiled.get(hook)
        if found is None:
            found = self._compiled[hook] = [compile_condition(expression) for _, expression in hook.conditions]
        return found


class _Rights:
    """Answers what conditions ask about the request's user, or about a service account (`model.cel.Authorizer`)."""

    def __init__(self, authorizer: Authorizer, user: User) -> None:
        self._authorizer = authorizer
        self._user = user

    def decide(self, question: "Question") -> "Decision":
        from pilothouse.model.cel import Decision

        user = self._user if question.account is None else service_account(*question.account)
        try:
            fields = parse_fields(question.field_selector) if question.field_selector else None
            if question.label_selector:
                parse_labels(question.label_selector)
        except SelectorError as error:
            return Decision(False, "", str(error))
        place = question.namespace, question.group, question.resource, question.subresource, question.name, question.path
        allowed, reason = self._authorizer.decide(Attributes(user, question.verb, *place, fields, question.label_selector))
        return Decision(allowed, reason)
