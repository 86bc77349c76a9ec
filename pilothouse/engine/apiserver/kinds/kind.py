"""What the request pipeline knows about a resource: data and pure functions, so that a new kind is a value and not a class.

Every function gets objects as JSON carries them. `default`, `prepare_create` and `prepare_update` change `obj` in place, which is
the caller's private copy; everything else only reads. Nothing here looks at other objects, the clock or the store.
The defaults of the fields suit a resource without spec, status or rules of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pilothouse.engine.apiserver.identity import ANONYMOUS, User
from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.engine.apiserver.kinds.subresource import Subresource, of_resource
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the Table form; priority 1 is what `kubectl get -o wide` adds."""

    name: str
    description: str
    type: str = "string"
    format: str = ""
    priority: int = 0

    def to_dict(self) -> Object:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


class Context(NamedTuple):
    """The circumstances of a write. subresource: "" for the object itself, else "status", "approval", ... user: who writes."""

    now: datetime
    subresource: str = ""
    user: User = ANONYMOUS


DEAR = 1000
"""The breadth of kinds with expressions to be compiled or signatures to be verified: all of theirs is done beside the event loop."""
UNSUPPORTED_LABEL = "field label not supported: {label}"

NAME_COLUMN = Column("Name", metadata.DESCRIPTIONS["name"], format="name")
CREATED_COLUMN = Column("Created At", metadata.DESCRIPTIONS["creationTimestamp"], type="date")


def _nothing(obj: Object) -> None:
    """Changes nothing."""


def _never(obj: Object) -> bool:
    return False


def _prepare_create(obj: Object, context: Context) -> None:
    obj.pop("status", None)


def _prepare_update(obj: Object, old: Object, context: Context) -> None:
    """A resource without a status: what the client sent stands."""


def _no_warnings(obj: Object) -> list[str]:
    return []


def _created_only(obj: Object, now: datetime) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), meta.get("creationTimestamp")]


def plain_validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain)


def plain_validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old)


@dataclass(frozen=True, slots=True)
class Kind:
    """One stored resource.

    definition: name of the upstream schema, such as "io.k8s.api.core.v1.Pod". openapi: the schema itself, of a kind that is not among
        upstream's definitions; such a kind is not shown in protobuf.
    validate, validate_update, validate_status_update: causes in upstream's wording and order, object metadata included;
        `validate` runs on create, `validate_update` on update of the object (it includes what `validate` says where upstream does).
    validate_subresource: instead of `validate_update` for writes through other subresources; `causes_of_update` picks.
    row_conditions: what the row of a table says beside its cells.
    selectable: values for field selectors; selectable_fields: the labels that may be asked for; selector_refusal: what others get.
    default_propagation: what becomes of what an object owns when its deletion does not say; Unsupported: it never owns anything.
    finalizers_on_delete: put on an object that is deleted, for the one who cleans up after it.
    waits: whether a dying object has to stay for a reason beside its finalizers and its grace.
    on_dying: changes an object that has just been marked as dying, in place below a copied top level and metadata.
    followed_by: the reconciler (`upkeep`) whose work on a write is waited for before the write is answered, "" for none.
    deprecation: what every request for it is warned of. blamed_group: what messages about invalid objects name, where that is not its own.
    stored_as: the resource whose objects it shares in another shape; to_stored and from_stored convert, both into a new value.
    is_stored: whether there are objects of it; reviews and the like are only answered. subresources: those that the resource names.
    breadth: how many times the usual work it takes to judge a value of it.
    grace_s: of a gracefully deleted kind, seconds granted given the object and the seconds asked for; None deletes at once.
    """

    resource: Resource
    definition: str
    openapi: Object | None = None
    default: Callable[[Object], None] = _nothing
    prepare_create: Callable[[Object, Context], None] = _prepare_create
    prepare_update: Callable[[Object, Object, Context], None] = _prepare_update
    validate: Callable[[Object], list[Cause]] = plain_validate
    validate_update: Callable[[Object, Object], list[Cause]] = plain_validate_update
    validate_status_update: Callable[[Object, Object], list[Cause]] = plain_validate_update
    validate_subresource: Mapping[str, Callable[[Object, Object], list[Cause]]] = field(default_factory=dict)
    warnings: Callable[[Object], list[str]] = _no_warnings
    warnings_on_update: Callable[[Object, Object], list[str]] | None = None
    columns: tuple[Column, ...] = (NAME_COLUMN, CREATED_COLUMN)
    cells: Callable[[Object, datetime], list[Any]] = _created_only
    row_conditions: Callable[[Object], list[Object]] | None = None
    selectable: Callable[[Object], dict[str, str]] = metadata.selectable
    selectable_fields: frozenset[str] = field(default_factory=lambda: frozenset({"metadata.name", "metadata.namespace"}))
    selector_refusal: str = '"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    create_on_update: bool = False
    unconditional_update: bool = True
    returns_object_on_delete: bool = False
    default_propagation: Literal["Background", "Foreground", "Orphan", "Unsupported"] = "Background"
    grace_s: Callable[[Object, int | None], int] | None = None
    finalizers_on_delete: tuple[str, ...] = ()
    waits: Callable[[Object], bool] = _never
    on_dying: Callable[[Object], None] = _nothing
    followed_by: str = ""
    breadth: int = 1
    deprecation: str = ""
    blamed_group: str | None = None
    stored_as: Resource | None = None
    to_stored: Callable[[Object], Object] | None = None
    from_stored: Callable[[Object], Object] | None = None
    is_stored: bool = True
    subresources: Mapping[str, Subresource] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "subresources", {name: of_resource(self.resource.kind, name) for name in self.resource.subresources})

    def causes_of_update(self, obj: Object, old: Object, subresource: str = "") -> list[Cause]:
        """What is wrong with an update of the object or of the part that a subresource writes."""
        if subresource == "status":
            return self.validate_status_update(obj, old)
        return self.validate_subresource.get(subresource, self.validate_update)(obj, old)

    def unknown_selector(self, label: str) -> str:
        """Why a field selector on `label` is refused."""
        return self.selector_refusal.replace("{label}", label)
