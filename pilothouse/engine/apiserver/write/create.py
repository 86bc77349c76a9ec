"""The write path of a new object."""

import time
from collections.abc import Callable

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Unstored
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.write import object_meta, storage
from pilothouse.engine.apiserver.write.change import Lost, Outcome, WriteRequest
from pilothouse.engine.store.errors import KeyExists
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.apply import at_once
from pilothouse.model.errors import AlreadyExists
from pilothouse.model.json import Object


class Create:
    """make: a decoded, defaulted value, a private copy each time. A generated name that is taken is generated again."""

    def __init__(self, request: WriteRequest, make: Callable[[], Object]) -> None:
        self._request = request
        self._make = make
        self._is_generated = False
        self._owned: Object = {}
        self.is_large = request.is_large()

    async def begin(self, store: Store, beside: Beside) -> Write:
        value = await beside.run(self._made, is_large=self.is_large)
        if self._request.served.awaits:
            await self._request.manage(None, value)
        name = "" if self._is_generated else value["metadata"].get("name", "")
        return self._request.attempt("CREATE", value, None, name=name)

    def _made(self) -> Object:
        request = self._request
        value = self._make()
        metadata = value["metadata"]
        object_meta.set_namespace(value, request.namespace, request.served.resource.namespaced)
        self._is_generated = not metadata.get("name") and bool(metadata.get("generateName"))
        object_meta.fill_new(value, meta.rfc3339(time.time()))
        if not request.dry_run:
            object_meta.refuse_version(value)
        object_meta.drop_double_owners(value, request.warn)
        self._owned = {name: metadata[name] for name in object_meta.OWNED_OF_NEW if name in metadata}
        if not request.served.awaits:
            at_once(request.manage(None, value))
        return value

    def prepare(self, write: Write, context: Context) -> None:
        kind, value = write.served.kind, write.new()
        # Admission may have brought another value.
        object_meta.set_namespace(value, write.namespace, write.served.resource.namespaced)
        object_meta.keep_new(value, self._owned)
        kind.prepare_create(value, context)
        if causes := kind.validate(value):
            raise write.served.invalid(value["metadata"].get("name", ""), causes)
        for text in kind.warnings(value):
            write.warn(text)

    async def commit(self, store: Store, write: Write, stored: Object | None) -> Outcome:
        value = write.new() if stored is None else stored
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
            raise self._refusal(write, error) from error

    def _refusal(self, write: Write, error: KeyExists) -> AlreadyExists:
        metadata = write.new()["metadata"]
        if metadata.get("generateName") and not error.current.value["metadata"].get("deletionTimestamp"):
            return storage.generated_name_exists(write.served, metadata["name"])
        return storage.already_exists(write.served, metadata["name"], error.current.value)
