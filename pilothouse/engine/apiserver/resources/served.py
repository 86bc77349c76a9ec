"""What is served: every resource at every version, with all that verbs need to know to read and write it.

`ServedResource` joins a kind's knowledge with a schema and a place in the store. The table changes while the server runs, because a
CustomResourceDefinition is a row in it; readers always see a consistent one, since everything happens on one event loop.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.resources.foreign import ForeignVersions
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.errors import Cause, Invalid
from pilothouse.model.json import Object, dumps
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Decoded, Schema

REPLACEABLE = frozenset({"metrics.k8s.io"})
"""Groups that another server may take over: whoever wants other figures registers a metrics-server. All else that is served stays so."""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom resource keeps the numbers of its scale subresource; dotted, as the CRD gives them."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


class StoredObject(Protocol):
    """An object of the store, or one that is not there (see `answer.Stored`)."""

    @property
    def value(self) -> Object: ...
    @property
    def raw(self) -> bytes: ...
    def peek(self) -> Object: ...


class Shape(Protocol):
    """How instances of a custom resource are stored, and what a version shows of them."""

    @property
    def awaits(self) -> bool:
        """Whether what is shown may have to be waited for."""
        ...

    def ready(self, record: Any) -> Any:
        """What the version shows of a stored object, None when it has to be waited for."""
        ...

    async def shown(self, records: Sequence[Any]) -> list[Any]:
        """The same of many. Raises ApiError 500."""
        ...

    async def stored(self, value: Object) -> Object:
        """A value of the version in the shape of the store. Raises ApiError 500."""
        ...

    def schema(self, api_version: str) -> Schema:
        """Raises KeyError for a version that the definition does not have."""
        ...

    async def between(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        """Values of one `apiVersion` in another one; None when the definition does not have it. Raises ApiError 500."""
        ...


@dataclass(slots=True, eq=False)
class ServedResource:
    """One resource at one version.

    openapi: a custom resource's schema as its definition has it; of others one that upstream's definitions lack.
    shape: None where objects are shown as they are stored. siblings: by `apiVersion`, the built-in resources that share its objects in
    another form, itself among them; none where there are no others.
    ended: callbacks for the time when it is not served any more, or otherwise.
    """

    kind: Kind
    schema: Callable[[], Schema]
    prefix: str
    list_kind: str = ""
    custom: bool = False
    scale: ScalePaths | None = None
    openapi: Object | None = None
    shape: Shape | None = None
    siblings: Mapping[str, "ServedResource"] = field(default_factory=dict)
    is_current: bool = True
    ended: set[Callable[[], None]] = field(default_factory=set)
    resource: Resource = field(init=False)
    group_resource: str = field(init=False)
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        resource = self.resource = self.kind.resource
        self.group_resource = resource.group_resource
        self.list_kind = self.list_kind or f"{resource.kind}List"
        typed = dumps({"apiVersion": resource.api_version, "kind": resource.kind})
        self.head = typed[:-1] + b","

    @property
    def awaits(self) -> bool:
        """Whether what a version shows may have to be waited for: a webhook converts it."""
        return self.shape is not None and self.shape.awaits

    @property
    def breadth(self) -> int:
        """How many times the usual work it takes to judge one value of an object, at most: what makes small objects dear."""
        return self.kind.breadth * self.schema().breadth

    def decode(self, value: Any) -> Decoded:
        """The typed, private copy of a body and the fields in it that are unknown; raises DecodeError."""
        return self.schema().decode(value)

    async def shown(self, records: Sequence[Any]) -> list[Any]:
        """What this version shows of stored objects. Raises ApiError 500."""
        return list(records) if self.shape is None else await self.shape.shown(records)

    async def stored(self, value: Object) -> Object:
        """A value of this version as the store keeps it. Raises ApiError 500."""
        return value if self.shape is None else await self.shape.stored(value)

    def end(self) -> None:
        """Tell those who wait for it that it is not served any more."""
        self.is_current = False
        for callback in tuple(self.ended):
            callback()

    def invalid(self, name: str, causes: Sequence[Cause]) -> Invalid:
        """All that is wrong with an object of this resource."""
        blamed = self.kind.blamed_group
        group = self.resource.group if blamed is None else blamed
        return Invalid.of(self.resource.kind, name, causes, group)

    def key(self, namespace: str, name: str) -> str:
        """namespace: of the URL; that of a namespace itself is its own name."""
        return f"{self.prefix}{namespace}/{name}" if self.kind.resource.namespaced else f"{self.prefix}/{name}"

    def scope(self, namespace: str) -> str:
        """The store's prefix of a collection: of one namespace, or of everything."""
        return f"{self.prefix}{namespace}/" if namespace else self.prefix

    def typed(self, value: Object) -> Object:
        """A value as clients see it, with apiVersion and kind; shares everything below its top level."""
        resource = self.kind.resource
        convert = self.kind.from_stored
        shown = value if convert is None else convert(value)
        return {"apiVersion": resource.api_version, "kind": resource.kind, **shown}


class ServedResources:
    """All that is served, by group, version and plural, in the order it was added. foreign: what others are to answer for."""

    def __init__(self, rows: Iterable[ServedResource] = ()) -> None:
        self.foreign = ForeignVersions()
        self._groups: dict[str, dict[str, dict[str, ServedResource]]] = {}
        self.generation = 0
        for row in rows:
            self.add(row)

    def add(self, row: ServedResource) -> None:
        resource = row.resource
        versions = self._groups.setdefault(resource.group, {})
        versions.setdefault(resource.version, {})[resource.plural] = row
        self.generation += 1

    def remove(self, group: str, version: str, plural: str) -> None:
        versions = self._groups.get(group, {})
        rows = versions.get(version, {})
        if rows.pop(plural, None) is not None:
            self.generation += 1
        if not rows:
            versions.pop(version, None)
        if not versions:
            self._groups.pop(group, None)

    def find(self, group: str, version: str, plural: str) -> ServedResource | None:
        versions = self._groups.get(group)
        rows = versions.get(version) if versions else None
        return rows.get(plural) if rows else None

    def by_kind(self, group: str, version: str, kind: str) -> ServedResource | None:
        rows = self._groups.get(group, {}).get(version, {}).values()
        return next((row for row in rows if row.resource.kind == kind), None)

    def is_custom(self, group: str) -> bool:
        """Whether all that the group serves comes from CustomResourceDefinitions."""
        return all(row.custom for rows in self._groups.get(group, {}).values() for row in rows.values())

    def groups(self) -> list[str]:
        return list(self._groups)

    def has_group(self, group: str) -> bool:
        return group in self._groups

    def versions(self, group: str) -> list[str]:
        """Preferred first."""
        return sorted(self._groups.get(group, {}), key=version_rank)

    def foreign_at(self, group: str, version: str) -> Registration | None:
        """Who is to answer for the version, None where nobody but this server is."""
        found = self.foreign.find(group, version)
        if found is not None and group not in REPLACEABLE and version in self._groups.get(group, {}):
            return None
        return found

    def others(self) -> list[Registration]:
        """All of other servers that are to answer, not those whose versions this server serves itself."""
        return [each for each in self.foreign.all() if self.foreign_at(each.group, each.version) is not None]

    def all_groups(self) -> list[str]:
        """Those for which only other servers answer last."""
        return [*self._groups, *(group for group in self.foreign.groups() if group not in self._groups)]

    def all_versions(self, group: str) -> list[str]:
        """Preferred first: this server's own, and then those of others, as these rank them."""
        own = self.versions(group)
        return [*own, *(version for version in self.foreign.versions(group) if version not in own)]

    def rows(self, group: str, version: str) -> list[ServedResource]:
        return list(self._groups.get(group, {}).get(version, {}).values())

    def __iter__(self) -> Iterator[ServedResource]:
        for versions in self._groups.values():
            for rows in versions.values():
                yield from rows.values()


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sort key that puts v2 before v1 before v1beta1 before v1alpha1 before anything else.

    Source: apimachinery/pkg/version, CompareKubeAwareVersionStrings.
    """
    stages = {"": 0, "beta": 1, "alpha": 2}
    if version[:1] == "v":
        number, stage, minor = _split_version(version[1:])
        if number.isdigit() and stage in stages and (not stage or minor.isdigit()):
            return stages[stage], -int(number), -int(minor or 0), ""
    return 3, 0, 0, version


def _split_version(text: str) -> tuple[str, str, str]:
    for stage in ("beta", "alpha"):
        if stage in text:
            number, _, minor = text.partition(stage)
            return number, stage, minor
    return text, "", ""
