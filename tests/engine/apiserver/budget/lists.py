"""Objects that are as long as they may be in one place: for each list and map of a kind, filled with one sort of element."""

from pilothouse.client.transport import APPLY_PATCH, JSON, Call
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object, copy, dumps
from pilothouse.model.schema import Schema
from tests.engine.apiserver.budget.calls import Ways, name_of, path_of
from tests.engine.apiserver.budget.small import SMALL
from tests.engine.apiserver.budget.worst_cases import cases


def longest(served: ServedResource, schema: Schema) -> Ways:
    """Creations, and changes of the resource's small object by what differs from element to element."""
    resource, path = served.resource, path_of(served)
    for where, sort, obj in cases(schema.node):
        value = _merged(copy(SMALL.get(served.group_resource, {})), obj)
        value["metadata"] |= {"name": f"x{name_of(served)}"}
        value |= {"apiVersion": resource.api_version, "kind": resource.kind}
        if "create" in resource.verbs:
            yield f"create {where} {sort}", Call("POST", path, (), dumps(value), JSON)
        if sort == "unique" and served.kind.is_stored and "update" in resource.verbs:
            value["metadata"] |= {"name": name_of(served)}
            yield from _changes(f"{path}/{name_of(served)}", f"{where} {sort}", dumps(value), has_status="status" in resource.subresources)


def _changes(path: str, title: str, body: bytes, *, has_status: bool) -> Ways:
    yield f"update {title}", Call("PUT", path, (), body, JSON)
    yield f"apply {title}", Call("PATCH", path, (("fieldManager", "m"), ("force", "true")), body, APPLY_PATCH)
    if has_status:
        yield f"status {title}", Call("PUT", f"{path}/status", (), body, JSON)


def _merged(small: Object, long: Object) -> Object:
    """What the long object says, and what makes the small one valid beside it."""
    for name, value in long.items():
        before = small.get(name)
        small[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return small
