"""Validating webhooks: called all at once, with the object as it will be stored.

Source: apiserver/pkg/admission/plugin/webhook/validating.
"""

import asyncio
from functools import partial

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.admission.webhooks.calling import Caller
from pilothouse.engine.apiserver.admission.webhooks.registry import Registry
from pilothouse.engine.apiserver.admission.webhooks.selection import Invocation, is_exempt
from pilothouse.engine.apiserver.admission.webhooks.shapes import new_object, old_object
from pilothouse.model.json import Object

_NOTE = "failed-open.validating.webhook.admission.k8s.io/"
Call = tuple[int, Invocation, Object | None, Object | None]


class ValidatingWebhooks:
    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self._caller = caller

    async def validate(self, write: Write) -> None:
        """Raises ApiError, the first in the order of the webhooks; all have been called by then."""
        if not self._registry.hooks or is_exempt(write):
            return
        calls = await self._calls(write)
        if not calls:
            return
        if len(calls) == 1:
            await self._call(write, calls[0])
            return
        outcomes = await asyncio.gather(*(write.charged(partial(self._call, write, call)) for call in calls), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _calls(self, write: Write) -> list[Call]:
        """Raises ApiError."""
        found: list[Call] = []
        shown: dict[int, tuple[Object | None, Object | None]] = {}
        for number, hook in enumerate(self._registry.hooks):
            invocation = self._caller.concerned(hook, write)
            if invocation is None:
                continue
            served = invocation.served
            if id(served) not in shown:
                shown[id(served)] = await new_object(write, served), await old_object(write, served)
            new, old = shown[id(served)]
            if self._caller.wants(invocation, write, "validating", new, old):
                found.append((number, invocation, new, old))
        return found

    async def _call(self, write: Write, call: Call) -> None:
        number, invocation, new, old = call
        if await self._caller.call(invocation, write, "validating", new, old) is None:
            write.annotate(f"{_NOTE}round_0_index_{number}", invocation.hook.name)
