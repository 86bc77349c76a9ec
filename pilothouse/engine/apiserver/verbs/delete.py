"""Delete an object: at once, or by marking it for those who have something left to do with it."""

from pilothouse.engine.apiserver import deletion, storage
from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.answer import Fresh, One, Plain, Stored, deleted
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.deletion import Options
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.served import Served
from pilothouse.engine.apiserver.verbs import delete_options, finish
from pilothouse.engine.apiserver.verbs.get import check_name
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import Conflict

_ATTEMPTS = 10


async def delete(backend: Backend, request: ApiRequest, served: Served) -> One | Plain:
    check_name(request.name)
    options = delete_options.read(request)
    gone, record = await remove(backend, request, served, request.namespace, request.name, options)
    if not gone:
        return One(served, record)
    if served.kind.returns_object_on_delete:
        return One(served, record)
    return deleted(served, request.name, record.value["metadata"].get("uid", ""))


async def remove(backend: Backend, request: ApiRequest, served: Served, namespace: str, name: str, options: Options) -> tuple[bool, Stored]:
    """Take the next step of deleting one object: (whether it is gone, the object as it is or last was).

    Raises NotFound, Conflict, Forbidden.
    """
    for _ in range(_ATTEMPTS):
        current = storage.latest(backend.store, served, namespace, name)
        check_preconditions(served, current, options)
        attributes = Attributes(
            "DELETE", served, namespace, name, request.user, old=current.value, dry_run=options.dry_run, warn=request.warn
        )
        backend.admission.mutate(attributes)
        backend.admission.validate(attributes)
        try:
            gone, record = await _take_step(backend, served, current, options)
        except Mismatch:
            continue
        await finish.deleted(backend, served, record, options.dry_run)
        return gone, record
    raise storage.conflict(served, name)


async def _take_step(backend: Backend, served: Served, current: Record, options: Options) -> tuple[bool, Stored]:
    step = deletion.plan(served.kind, current.value, options, backend.now())
    if step.remove:
        if options.dry_run:
            return True, current if step.value is None else Fresh(step.value)
        return True, await storage.delete(backend.store, current.key, current.revision, step.value)
    if step.value is None:
        if options.dry_run or backend.store.get(current.key) is current:
            return False, current
        # What is on its way to disk may still fail: written once more, so that the answer shows what is stored.
        return False, await storage.update(backend.store, current.key, current.value, current.revision)
    if options.dry_run:
        return False, Fresh(step.value)
    return False, await storage.update(backend.store, current.key, step.value, current.revision)


def check_preconditions(served: Served, current: Record, options: Options) -> None:
    """Raises Conflict."""
    metadata = current.value["metadata"]
    if options.uid is not None and options.uid != metadata["uid"]:
        why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
        raise _conflict(served, metadata["name"], why + "The object might have been deleted and then recreated")
    if options.version is not None and options.version != metadata.get("resourceVersion"):
        why = f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in record "
        raise _conflict(served, metadata["name"], why + f"({metadata.get('resourceVersion')}). The object might have been modified")


def _conflict(served: Served, name: str, why: str) -> Conflict:
    return Conflict.of(served.resource.kind, name, why, served.resource.group)
