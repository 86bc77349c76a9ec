"""The write path of a new object."""

import time
from collections.abc import Callable

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Unstored
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.write import object_meta, storage
from pilothouse.engine.apiserver.write.change import Lost, Outcome, WriteRequest
from pilothouse.engine.store.errors import KeyExists
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object


class Create:
    """make: a decoded, defaulted value, a private copy each time. A generated name that is taken is generated again."""

    def __init__(self, request: WriteRequest, make: Callable[[], Object]) -> None:
        self._request = request
        self._make = make
        self._is_generated = False

    def begin(self, store: Store) -> Write:
        request = self._request
        value = self._make()
        metadata = value["metadata"]
        object_meta.set_namespace(value, request.namespace, request.served.resource.namespaced)
        self._is_generated = not metadata.get("name") and bool(metadata.get("generateName"))
        object_meta.fill_new(value, meta.rfc3339(time.time()))
        if request.dry_run:
            metadata.pop("resourceVersion", None)
        else:
            object_meta.refuse_version(value)
        request.manage(None, value)
        return request.attempt("CREATE", value, None, name=metadata.get("name", ""))

    def prepare(self, write: Write, context: Context) -> None:
        kind, value = write.served.kind, write.new()
        kind.prepare_create(value, context)
        if causes := kind.validate(value):
            raise write.served.invalid(value["metadata"].get("name", ""), causes)
        for text in kind.warnings(value):
            write.warn(text)

    async def commit(self, store: Store, write: Write) -> Outcome:
        value = write.new()
        key = write.served.key(write.namespace, value["metadata"]["name"])
        if not write.dry_run:
            return Outcome(await storage.create(store, key, value))
        current = store.latest(key)
        if current is not None:
            raise KeyExists(current)
        return Outcome(Unstored(value))

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        assert isinstance(error, KeyExists), "a create compares with nothing"
        if is_last or not self._is_generated:
            raise storage.already_exists(write.served, write.new()["metadata"]["name"], error.current.value) from error
