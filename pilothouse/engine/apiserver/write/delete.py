"""The write path of a deletion: its next step is the object's end, or a mark for those who have something left to do with it."""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.answer import Unstored
from pilothouse.engine.apiserver.kinds.kind import Context
from pilothouse.engine.apiserver.write import deletion, storage
from pilothouse.engine.apiserver.write.change import Lost, Outcome, WriteRequest
from pilothouse.engine.apiserver.write.deletion import Options, Step
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Conflict


class Delete:
    """request.dry_run is that of the options."""

    def __init__(self, request: WriteRequest, options: Options) -> None:
        self._request = request
        self._options = options
        self._base: Record
        self._step: Step

    def begin(self, store: Store) -> Write:
        """Raises NotFound, Conflict."""
        request = self._request
        self._base = storage.latest(store, request.served, request.namespace, request.name)
        self._check_preconditions()
        return request.attempt("DELETE", None, self._base.value)

    def _check_preconditions(self) -> None:
        options, metadata = self._options, self._base.value["metadata"]
        if options.uid is not None and options.uid != metadata["uid"]:
            why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            raise self._conflict(why + "The object might have been deleted and then recreated")
        version = metadata.get("resourceVersion")
        if options.version is not None and options.version != version:
            why = f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in record "
            raise self._conflict(why + f"({version}). The object might have been modified")

    def _conflict(self, why: str) -> Conflict:
        resource = self._request.served.resource
        return Conflict.of(resource.kind, self._request.name, why, resource.group)

    def prepare(self, write: Write, context: Context) -> None:
        self._step = deletion.plan(write.served.kind, self._base.value, self._options, context.now)

    async def commit(self, store: Store, write: Write) -> Outcome:
        base, step = self._base, self._step
        if write.dry_run:
            return Outcome(base if step.value is None else Unstored(step.value), step.remove)
        if step.remove:
            return Outcome(await storage.delete(store, base.key, base.revision, step.value), is_gone=True)
        if step.value is None and storage.may_answer(store, base):
            return Outcome(base)
        # A step that changes nothing is written all the same when what it rests on may still fail: the answer shows what is stored.
        return Outcome(await storage.update(store, base.key, base.value if step.value is None else step.value, base.revision))

    def lost(self, write: Write, error: Lost, *, is_last: bool) -> None:
        if is_last:
            raise storage.conflict(write.served, write.name) from error
