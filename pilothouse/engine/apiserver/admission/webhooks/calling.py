"""Calls a webhook about a write: how long it may take, what a failure means, and what is counted and noted of it."""

import asyncio
import time

import structlog

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.webhooks.conditions import Conditions, Unanswered
from pilothouse.engine.apiserver.admission.webhooks.hook import Hook, Phase
from pilothouse.engine.apiserver.admission.webhooks.metrics import WebhookMetrics
from pilothouse.engine.apiserver.admission.webhooks.review import Answer, answer_of, denial, request_of, review_of
from pilothouse.engine.apiserver.admission.webhooks.selection import Invocation, Selection, fails_open
from pilothouse.engine.apiserver.admission.webhooks.shapes import internal
from pilothouse.engine.apiserver.webhooks.client import WebhookClient
from pilothouse.engine.apiserver.webhooks.failures import CallFailed, Unusable
from pilothouse.model.errors import BadRequest, Forbidden
from pilothouse.model.json import Object

_log = structlog.get_logger("apiserver")
_LEAST_S = 0.001


class Caller:
    """What both phases have in common."""

    def __init__(self, client: WebhookClient, selection: Selection, conditions: Conditions, metrics: WebhookMetrics) -> None:
        self._client = client
        self._selection = selection
        self._conditions = conditions
        self._metrics = metrics

    def concerned(self, hook: Hook, write: Write) -> Invocation | None:
        """Whether rules and selectors let the webhook see the write. Raises NotFound."""
        return self._selection.concerned(hook, write)

    def wants(self, invocation: Invocation, write: Write, phase: Phase, new: Object | None, old: Object | None) -> bool:
        """Whether the webhook's conditions hold. Raises Forbidden when they have no answer and the webhook's failures count."""
        hook = invocation.hook
        if not hook.conditions:
            return True
        try:
            holds = self._conditions.hold(hook, write.user, request_of(write, invocation), new, old, budget=write.conditions)
        except Unanswered as error:
            self._metrics.unanswered(hook, phase, write.operation)
            if _is_ignored(hook, write):
                return False
            resource = write.served.resource
            raise Forbidden.of(resource.plural, write.name, str(error), resource.group) from error
        if not holds:
            self._metrics.excluded(hook, phase, write.operation)
        return holds

    async def call(self, invocation: Invocation, write: Write, phase: Phase, new: Object | None, old: Object | None) -> Answer | None:
        """What the webhook answers that lets the write pass, None when it has failed and that is to be ignored. Raises ApiError."""
        hook, started = invocation.hook, time.perf_counter()
        if write.dry_run and not hook.is_dry_run_safe:
            self._metrics.rejected(hook, phase, write.operation, "apiserver_internal_error", 0)
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        try:
            answer = await self._answer(invocation, write, phase, new, old)
        except CallFailed as failure:
            self._count(hook, phase, write, started, failure.code, rejected=not _is_ignored(hook, write))
            self._judge(hook, write, phase, failure)
            return None
        self._metrics.answering(hook, phase)
        for key, text in answer.annotations.items():
            write.annotate(f"{hook.name}/{key}", text)
        for text in answer.warnings:
            write.warn(text)
        if answer.allowed:
            self._count(hook, phase, write, started, 200, rejected=False)
            return answer
        refusal = denial(hook.name, answer.status)
        self._metrics.rejected(hook, phase, write.operation, "no_error", refusal.code)
        self._count(hook, phase, write, started, refusal.code, rejected=True)
        raise refusal

    async def _answer(self, invocation: Invocation, write: Write, phase: Phase, new: Object | None, old: Object | None) -> Answer:
        """Raises CallFailed."""
        hook, request = invocation.hook, request_of(write, invocation)
        document = review_of(hook.review_version, request, new, old)
        try:
            said = await self._client.post(hook.target, document, timeout_s=_time_left(hook, write))
        except Unusable as failure:
            raise CallFailed(f"could not get REST client: {failure.message}", code=failure.code) from failure
        except CallFailed as failure:
            raise CallFailed(f"failed to call webhook: {failure.message}", code=failure.code) from failure
        return answer_of(said, hook.review_version, request["uid"], phase)

    def _judge(self, hook: Hook, write: Write, phase: Phase, failure: CallFailed) -> None:
        """Raises Internal unless the failure is ignored."""
        self._metrics.failing(hook, phase)
        what = {"user": write.user.name, "operation": write.operation, "resource": write.group_resource}
        log = _log.bind(configuration=hook.configuration, webhook=hook.name, why=failure.message, **what)
        if _is_ignored(hook, write):
            log.warning("a webhook failed, and the write goes on")
            self._metrics.failed_open(hook, phase)
            return
        log.warning("a webhook failed, and the write is refused")
        self._metrics.rejected(hook, phase, write.operation, "calling_webhook_error", failure.code)
        raise internal(f'failed calling webhook "{hook.name}": {failure.message}') from failure

    def _count(self, hook: Hook, phase: Phase, write: Write, started: float, code: int, *, rejected: bool) -> None:
        self._metrics.called(hook, phase, write.operation, seconds=time.perf_counter() - started, code=code, rejected=rejected)


def _is_ignored(hook: Hook, write: Write) -> bool:
    """Whether the write goes on when the webhook fails."""
    return hook.ignores_failures or fails_open(write)


def _time_left(hook: Hook, write: Write) -> float:
    """The webhook's own time, or what is left of the request's."""
    if write.deadline is None:
        return hook.timeout_s
    return max(min(hook.timeout_s, write.deadline - asyncio.get_running_loop().time()), _LEAST_S)
