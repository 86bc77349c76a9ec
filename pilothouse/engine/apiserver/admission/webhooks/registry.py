"""The webhooks of one phase, as the store has them: a change counts from the next request on."""

from collections.abc import Callable

from pilothouse.engine.apiserver.admission.webhooks.hook import Hook, hooks_of
from pilothouse.model.json import Object


class Registry:
    """An index of the store (see `following`). on_gone: told of the ids of webhooks that are no more."""

    def __init__(self, on_gone: Callable[[set[str]], None] = lambda ids: None) -> None:
        self._by_key: dict[str, list[Hook]] = {}
        self._on_gone = on_gone
        self.hooks: tuple[Hook, ...] = ()
        """By the names of their configurations, then in their order there."""

    def put(self, key: str, value: Object) -> None:
        self._set(key, list(hooks_of(value)))

    def drop(self, key: str) -> None:
        self._set(key, [])

    def clear(self) -> None:
        for key in tuple(self._by_key):
            self.drop(key)

    def _set(self, key: str, hooks: list[Hook]) -> None:
        before = {hook.id for hook in self._by_key.pop(key, ())}
        if hooks:
            self._by_key[key] = hooks
        self.hooks = tuple(hook for _, found in sorted(self._by_key.items()) for hook in found)
        if gone := before - {hook.id for hook in hooks}:
            self._on_gone(gone)
