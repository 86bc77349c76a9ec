"""Objects and shorthands of these tests: the least that is valid, and how a kind answers to it."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def named(name: str = "it", **fields: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, **deepcopy(fields)}


def cluster_scoped(name: str = "it", **fields: Any) -> Object:
    return {"metadata": {"name": name}, **deepcopy(fields)}


def container(**fields: Any) -> Object:
    return {"name": "c", "image": "img:1", **fields}


def pod(**spec: Any) -> Object:
    return named(spec={"containers": [container()], **spec})


def pod_with(**fields: Any) -> Object:
    """A pod whose only container has these fields."""
    return pod(containers=[container(**fields)])


def template(**spec: Any) -> Object:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()], **spec}}


def created(kind: Kind, obj: Object) -> Object:
    """The object as a create would store it, were it valid."""
    value = deepcopy(obj)
    value["metadata"].setdefault("uid", "u1")
    kind.default(value)
    kind.prepare_create(value, Context(NOW))
    return value


def updated(kind: Kind, old: Object, new: Object, subresource: str = "") -> Object:
    value = deepcopy(new)
    kind.default(value)
    kind.prepare_update(value, old, Context(NOW, subresource))
    return value


def brief(causes: list[Cause]) -> list[str]:
    """`path Reason`, without the prefix that all reasons share."""
    return [f"{cause.field} {cause.reason.removeprefix('FieldValue')}" for cause in causes]


def refusals(kind: Kind, obj: Object) -> list[str]:
    """What is wrong with creating this object."""
    return brief(kind.validate(created(kind, obj)))


def update_refusals(kind: Kind, old: Object, new: Object) -> list[str]:
    before = created(kind, old)
    wanted = deepcopy(new)
    for name in ("uid", "generation"):
        if name in before["metadata"]:
            wanted["metadata"][name] = before["metadata"][name]
    value = updated(kind, before, wanted)
    return brief(kind.validate_update(value, before))


def changed(obj: Object, path: str, value: Any) -> Object:
    """A copy with one field set; `None` removes it."""
    copy = deepcopy(obj)
    *way, last = path.split(".")
    target = copy
    for step in way:
        target = target.setdefault(step, {})
    if value is None:
        target.pop(last, None)
    else:
        target[last] = value
    return copy
