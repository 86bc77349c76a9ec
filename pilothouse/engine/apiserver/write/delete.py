"""The write path of a deletion: its next step is the object's end, or a mark for those who have something left to do with it."""

from dataclasses import replace

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Stored, Unstored
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import deletion, storage
from pilothouse.engine.apiserver.write.change import Lost, Outcome, WriteRequest
from pilothouse.engine.apiserver.write.deletion import Options, Step
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Conflict
from pilothouse.model.json import Object


class Delete:
    """request.dry_run is that of the options."""

    is_large = False

    def __init__(self, request: WriteRequest, options: Options) -> None:
        self._request = request
        self._options = options
        self._base: Record
        self._step: Step

    async def begin(self, store: Store, beside: Beside) -> Write:
        """Raises NotFound, Conflict."""
        request = self._request
        self._base = storage.latest(store, request.served, request.namespace, request.name)
        check_preconditions(request.served, self._base.value, self._options)
        shown: Stored = self._base
        if request.served.shape is not None:
            (shown,) = await request.served.shown([self._base])
        return replace(request, options=self._options.to_dict()).attempt("DELETE", None, shown.value)

    def prepare(self, write: Write, context: Context) -> None:
        self._step = deletion.plan(write.served.kind, self._base.value, self._options, context.now)

    async def commit(self, store: Store, write: Write, stored: Object | None) -> Outcome:
        base, step = self._base, self._step
        if write.dry_run:
            return Outcome(base if step.value is None else Unstored(step.value), step.remove)
        if step.remove:
            return Outcome(await storage.delete(store, base.key, base.revision, step.value), is_gone=True)
        if step.value is None:
            return Outcome(base)  # It may be on its way to disk still: an answer waits for that.
        return Outcome(await storage.update(store, base.key, step.value, base.revision))

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        if is_last:
            raise storage.conflict(write.served, write.name) from error


def check_preconditions(served: ServedResource, obj: Object, options: Options) -> None:
    """Raises Conflict where the stored object is not the one that the options are about."""
    metadata = obj["metadata"]
    if options.uid is not None and options.uid != metadata["uid"]:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
        raise _conflict(served, metadata["name"], why + "The object might have been deleted and then recreated")
    version = metadata.get("resourceVersion")
    if options.version is not None and options.version != version:
        why = f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in record "
        raise _conflict(served, metadata["name"], why + f"({version}). The object might have been modified")


def _conflict(served: ServedResource, name: str, why: str) -> Conflict:
    return Conflict.of(served.resource.kind, name, why, served.resource.group)
