"""How instances of one definition are stored, and what each of its versions shows of them.

Stored is the definition's storage version. Whoever reads sees the version that was asked for: what was stored under an earlier schema, or
in another version, is converted, pruned and defaulted first. Values of a definition of several versions state theirs (`apiVersion`, their
first key); one that does not was stored when there was only one, the first that the definition has stored.
Source: apiextensions-apiserver pkg/apiserver/customresource_handler.go, crdConversionRESTOptionsGetter.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pilothouse.aio.sharing import Abandoned, Shared
from pilothouse.engine.apiserver.answer import Stored
from pilothouse.engine.apiserver.crds.conversion import WebhookConversion
from pilothouse.engine.store.record import Record
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, copy, dumps, dumps_to_keep, loads, same
from pilothouse.model.schema import Schema

KEPT_BYTES = 1 << 20
"""Of converted objects that are kept for the next reader, as JSON, for each version that is not stored."""
KEPT_CLEAN = 20_000
"""Objects stored under an earlier schema that are known to suit the present one."""
_AT_A_TIME, _BYTES_AT_A_TIME = 500, 1 << 20
"""Objects that a webhook is asked to convert in one call, and their JSON: decoded, they take ten times that."""
_IN_A_TURN = 16
"""Objects of usual size that are adapted before the event loop has a turn."""
_USUAL_BYTES = 4096
_STATED = b'{"apiVersion":"'

_Seen = tuple[str, int]
"""Key and revision: one state of one object."""
_Batch = Shared[dict[_Seen, Stored]]


@dataclass(frozen=True, slots=True)
class Definition:
    """What all versions of a definition share. oldest: of objects that state none; since: the revision from which on its schemas hold.

    schemas: of all versions, served or not. conversion: None where all versions have the same fields.
    """

    group: str
    kind: str
    storage: str
    oldest: str
    since: int
    schemas: Mapping[str, Callable[[], Schema]]
    conversion: WebhookConversion | None = None

    @property
    def has_several(self) -> bool:
        return len(self.schemas) > 1


class Trimmed:
    """A stored object that is shown as it is, but for the version that it states."""

    __slots__ = ("_head", "_record")

    def __init__(self, record: Record, head: int) -> None:
        """head: bytes of the stated version at the start of the JSON."""
        self._record = record
        self._head = head

    @property
    def key(self) -> str:
        return self._record.key

    @property
    def revision(self) -> int:
        return self._record.revision

    @property
    def raw(self) -> bytes:
        return b"{" + self._record.raw[self._head :]

    @property
    def value(self) -> Object:
        return without_version(self._record.value)

    def peek(self) -> Object:
        return without_version(self._record.peek())


class Encoded:
    """An object as it is shown, kept as bytes: a list may have many thousand of them."""

    __slots__ = ("raw",)

    def __init__(self, value: Object) -> None:
        self.raw = dumps_to_keep(value)

    @property
    def value(self) -> Object:
        return self.peek()

    def peek(self) -> Object:
        value: Object = loads(self.raw)
        return value


def without_version(value: Object) -> Object:
    return {key: each for key, each in value.items() if key != "apiVersion"} if "apiVersion" in value else value


class VersionShape:
    """Of one version (see `resources.served.Shape`)."""

    def __init__(self, definition: Definition, version: str) -> None:
        self._definition = definition
        self._version = version
        self._schema = definition.schemas[version]
        self._stated = dumps({"apiVersion": f"{definition.group}/{version}"})[:-1] + b","
        self._clean: OrderedDict[_Seen, None] = OrderedDict()
        self._kept: OrderedDict[_Seen, Stored] = OrderedDict()
        self._kept_bytes = 0
        self._adaptations = 0
        self._last: tuple[Stored, Stored] | None = None
        self._under_way: dict[_Seen, _Batch] = {}

    @property
    def awaits(self) -> bool:
        return self._definition.conversion is not None and self._definition.has_several

    def ready(self, record: Stored) -> Stored | None:
        """What is shown of it, None where a webhook has to be asked. All watchers of a change are shown the same."""
        if self._last is not None and self._last[0] is record:
            return self._last[1]
        found = self._found(record)
        if found is not None:
            self._last = record, found
        return found

    def _found(self, record: Stored) -> Stored | None:
        if isinstance(record, Record):
            if record.revision > self._definition.since or (record.key, record.revision) in self._clean:
                if not self._definition.has_several:
                    return record
                if record.raw.startswith(self._stated):
                    return Trimmed(record, len(self._stated))
            if (kept := self._kept.get((record.key, record.revision))) is not None:
                return kept
        stated = self._version_of(record)
        if stated != self._version and self.awaits:
            return None
        return self._adapted(record, stated)

    async def shown(self, records: Sequence[Stored]) -> list[Stored]:
        """The same of many, with one call to a webhook for each part of those that it has to convert. Raises ApiError 500."""
        found: list[Stored | None] = []
        for record in records:
            found.append(self.ready(record))
            await self._let_others_go()
        missing = [record for record, ready in zip(records, found, strict=True) if ready is None]
        if not missing:
            return [each for each in found if each is not None]
        converted: list[Stored] = []
        for part in _parts(missing):
            converted += await self._converted(part)
        rest = iter(converted)
        return [next(rest) if each is None else each for each in found]

    async def stored(self, value: Object) -> Object:
        """A value of this version in the shape of the store. Raises ApiError 500."""
        definition = self._definition
        if not definition.has_several:
            return value
        if self._version == definition.storage:
            return {"apiVersion": f"{definition.group}/{self._version}", **value}
        target = f"{definition.group}/{definition.storage}"
        if definition.conversion is not None:
            (value,) = await definition.conversion.convert([self._typed(value, self._version)], target)
        fresh: Object = copy({key: each for key, each in value.items() if key not in ("apiVersion", "kind")})
        definition.schemas[definition.storage]().prune(fresh)
        return {"apiVersion": target, **fresh}

    def schema(self, api_version: str) -> Schema:
        """Raises KeyError for a version that the definition does not have."""
        return self._definition.schemas[api_version.rpartition("/")[2]]()

    async def between(self, values: Sequence[Object], source: str, target: str) -> list[Object] | None:
        """Values of one `apiVersion` in another one; None when the definition does not have it. Raises ApiError 500."""
        definition, version = self._definition, target.rpartition("/")[2]
        if target != f"{definition.group}/{version}" or version not in definition.schemas:
            return None
        if source == target:
            return list(values)
        stated = source.rpartition("/")[2]
        if definition.conversion is None:
            found: list[Object] = [copy(value) for value in values]
        else:
            found = await definition.conversion.convert([self._typed(value, stated) for value in values], target)
        for value, original in zip(found, values, strict=True):
            for name in ("apiVersion", "kind"):
                value.pop(name, None)
            definition.schemas[version]().prune(value)
            if "kind" in original:
                value.update(apiVersion=target, kind=definition.kind)
        return found

    async def _let_others_go(self) -> None:
        """After some adapted objects: each takes long enough for ten requests."""
        if self._adaptations >= _IN_A_TURN:
            self._adaptations = 0
            await asyncio.sleep(0)

    def _note_work(self, record: Stored) -> None:
        self._adaptations += 1 + len(record.raw) // _USUAL_BYTES

    def _version_of(self, record: Stored) -> str:
        """Read off the beginning, where it stands."""
        raw = record.raw
        if raw.startswith(_STATED):
            return raw[len(_STATED) : raw.index(b'"', len(_STATED))].decode().rpartition("/")[2]
        self._note_work(record)
        return self._stated_version(record.peek())

    def _stated_version(self, value: Object) -> str:
        return str(value.get("apiVersion") or f"/{self._definition.oldest}").rpartition("/")[2]

    def _typed(self, value: Object, version: str) -> Object:
        return {**value, "apiVersion": f"{self._definition.group}/{version}", "kind": self._definition.kind}

    def _adapted(self, record: Stored, stated: str) -> Stored:
        """Of an object of this version, or of one with the same fields."""
        self._note_work(record)
        before = without_version(record.peek())
        fresh = self._pruned(before, stated)
        self._schema().prune(fresh)
        self._schema().default(fresh)
        if isinstance(record, Record) and stated == self._version and same(fresh, before):
            self._note_clean(record)
            if not self._definition.has_several:
                return record
            if record.raw.startswith(self._stated):
                return Trimmed(record, len(self._stated))
        return Encoded(fresh)

    def _pruned(self, value: Object, stated: str) -> Object:
        """A copy with the fields that the version it is of has by now."""
        fresh: Object = copy(value)
        if stated != self._version and (schema := self._definition.schemas.get(stated)) is not None:
            schema().prune(fresh)
        return fresh

    def _note_clean(self, record: Record) -> None:
        self._clean[record.key, record.revision] = None
        while len(self._clean) > KEPT_CLEAN:
            self._clean.popitem(last=False)

    async def _converted(self, records: Sequence[Stored]) -> list[Stored]:
        """Objects that the webhook is asked to convert already are waited for, whatever becomes of the request that asked.

        Raises ApiError 500.
        """
        own = [record for record in records if _seen(record) not in self._under_way]
        batches = {self._under_way[_seen(record)] for record in records if _seen(record) in self._under_way}
        found = await self._asked(own) if own else {}
        for batch in batches:
            # Of a batch with others' objects, one of which may be at fault; or those who have asked for it are gone.
            with suppress(ApiError, Abandoned):
                found |= await batch.result()
        left = [record for record in records if _seen(record) not in found]
        if left:
            found |= await self._asked(left)
        return [found[_seen(record)] for record in records]

    async def _asked(self, records: Sequence[Stored]) -> dict[_Seen, Stored]:
        batch = Shared(self._by_webhook(records), name="conversion")
        for record in records:
            self._under_way[_seen(record)] = batch
        batch.when_done(partial(self._note_end, batch, [_seen(record) for record in records]))
        return await batch.result()

    def _note_end(self, batch: _Batch, seen: Sequence[_Seen]) -> None:
        for each in seen:
            if self._under_way.get(each) is batch:
                del self._under_way[each]

    async def _by_webhook(self, records: Sequence[Stored]) -> dict[_Seen, Stored]:
        conversion, target = self._definition.conversion, f"{self._definition.group}/{self._version}"
        assert conversion is not None, "only where a webhook has to be asked"
        objects = [self._to_convert(record) for record in records]
        found: dict[_Seen, Stored] = {}
        for record, converted in zip(records, await conversion.convert(objects, target), strict=True):
            fresh = {key: each for key, each in converted.items() if key not in ("apiVersion", "kind")}
            self._schema().prune(fresh)
            self._schema().default(fresh)
            found[_seen(record)] = self._keep(record, Encoded(fresh))
            self._note_work(record)
            await self._let_others_go()
        return found

    def _to_convert(self, record: Stored) -> Object:
        value = record.peek()
        stated = self._stated_version(value)
        if stated not in self._definition.schemas:
            raise ApiError(f"request to convert CR from an invalid group/version: {self._definition.group}/{stated}", code=500, reason="")
        return self._typed(self._pruned(without_version(value), stated), stated)

    def _keep(self, record: Stored, shown: Stored) -> Stored:
        if not isinstance(record, Record) or (record.key, record.revision) in self._kept:
            return shown
        self._kept[record.key, record.revision] = shown
        self._kept_bytes += len(shown.raw)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].raw)
        return shown


def _parts(records: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Of at least one object each, and as many as one call takes."""
    part: list[Stored] = []
    size_bytes = 0
    for record in records:
        if part and (len(part) == _AT_A_TIME or size_bytes + len(record.raw) > _BYTES_AT_A_TIME):
            yield part
            part, size_bytes = [], 0
        part.append(record)
        size_bytes += len(record.raw)
    if part:
        yield part


def _seen(record: Stored) -> _Seen:
    """An object that is not in the store is one of its own."""
    return (record.key, record.revision) if isinstance(record, Record) else (f"{id(record)}", -1)
