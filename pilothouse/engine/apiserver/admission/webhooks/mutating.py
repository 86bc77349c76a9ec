"""Mutating webhooks: called one after the other, each with the object as the last one left it.

A webhook's change has the whole of mutating admission run once more: plugins of the server look again, and those webhooks that want to
(`reinvocationPolicy: IfNeeded`) and were called before the change.
Source: apiserver/pkg/admission/plugin/webhook/mutating.
"""

import asyncio
from typing import Any

from pilothouse.engine.apiserver.admission.context import Reinvocation, Write
from pilothouse.engine.apiserver.admission.webhooks.calling import Caller
from pilothouse.engine.apiserver.admission.webhooks.registry import Registry
from pilothouse.engine.apiserver.admission.webhooks.selection import Invocation, is_exempt
from pilothouse.engine.apiserver.admission.webhooks.shapes import Schemas, decoded, internal, old_object, taken, unfinished_object
from pilothouse.model.apply import decode
from pilothouse.model.json import Object, copy, dumps, same
from pilothouse.model.patch import PatchError, json_patch

_IN_A_THREAD_OPERATIONS = 100
_NOTE = "mutation.webhook.admission.k8s.io/"
_BROKEN_MANAGERS = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; "
    "please fix your requests"
)


class MutatingWebhooks:
    def __init__(self, registry: Registry, caller: Caller, schemas: Schemas) -> None:
        self._registry = registry
        self._caller = caller
        self._schemas = schemas

    async def mutate(self, write: Write) -> None:
        """Raises ApiError."""
        hooks = self._registry.hooks
        if not hooks or is_exempt(write):
            return
        state = write.reinvocation = write.reinvocation or Reinvocation()
        if state.is_second and state.output is not None and not same(state.output, write.value):
            state.due |= state.invoked
            state.invoked.clear()
        managers, is_concerned = _managers(write), False
        for number, hook in enumerate(hooks):
            invocation = self._caller.concerned(hook, write)
            if invocation is None or (state.is_second and hook.id not in state.due):
                continue
            is_concerned = True
            await self._invoke(invocation, write, state, number)
        if is_concerned:
            _keep_managers(write, managers)
            state.output = copy(write.value)

    async def _invoke(self, invocation: Invocation, write: Write, state: Reinvocation, number: int) -> None:
        hook = invocation.hook
        new, old = await unfinished_object(write, invocation.served), await old_object(write, invocation.served)
        if not self._caller.wants(invocation, write, "admit", new, old):
            return
        where = f"round_{int(state.is_second)}_index_{number}"
        answer = await self._caller.call(invocation, write, "admit", new, old)
        if answer is None:
            write.annotate(f"failed-open.{_NOTE}{where}", hook.name)
        changed = answer is not None and bool(answer.patch) and await self._patch(invocation, write, new, answer.patch)
        note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
        write.annotate(f"{_NOTE}{where}", dumps(note).decode())
        if changed:
            state.due |= state.invoked
            state.invoked.clear()
            state.is_wanted = True
        if hook.is_reinvoked:
            state.invoked.add(hook.id)

    async def _patch(self, invocation: Invocation, write: Write, shown: Object | None, patch: list[Any]) -> bool:
        """Whether the patch has changed the object. Raises Internal for one that does not fit."""
        if shown is None:
            why = f'admission webhook "{invocation.hook.name}" attempted to modify the object, which is not supported for this operation'
            raise internal(why)
        if len(patch) < _IN_A_THREAD_OPERATIONS:
            value = self._patched(invocation, write, shown, patch)
        else:
            value = await asyncio.to_thread(self._patched, invocation, write, shown, patch)
        value = await taken(write, invocation.served, value)
        if same(value, write.value):
            return False
        write.value = value
        return True

    def _patched(self, invocation: Invocation, write: Write, shown: Object, patch: list[Any]) -> Object:
        try:
            changed = json_patch(shown, patch)
            if not isinstance(changed, dict):
                raise internal("the patched object is no object")
            return decoded(write, invocation.served, changed, self._schemas)
        except PatchError as error:
            raise internal(error.message) from error
        except RecursionError:
            raise internal("the patched object is nested too deeply") from None


def _managers(write: Write) -> Any:
    return None if write.value is None else (write.value.get("metadata") or {}).get("managedFields")


def _keep_managers(write: Write, before: Any) -> None:
    """Managers of fields that webhooks have made unreadable are put back."""
    found = _managers(write)
    if found is None or found is before or decode(found) is not None:
        return
    write.new()["metadata"]["managedFields"] = before
    write.warn(_BROKEN_MANAGERS)
