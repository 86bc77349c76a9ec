"""Who owns which fields after a write.

An update owns what it changes, and takes it from all others. An apply owns all that its configuration sets: where another manager
owns a field with another value the two are in conflict, and what the manager has applied before and does not any more goes, unless
somebody else owns it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.compare import Comparison, compare
from pilothouse.model.apply.errors import Conflicts
from pilothouse.model.apply.fields import check, fields_of
from pilothouse.model.apply.fieldset import FieldSet, difference, intersection, union, without
from pilothouse.model.apply.managers import UPDATE, Manager, Managers, Owned
from pilothouse.model.apply.merge import merge
from pilothouse.model.apply.pruning import pruned
from pilothouse.model.apply.versions import Versions, version_of
from pilothouse.model.json import Object, same
from pilothouse.model.schema.node import Node

MOST_UPDATERS = 10
"""So many managers of updates are told apart; the oldest others share one entry."""
ANCIENT = "ancient-changes"
BEFORE_APPLY = "before-first-apply"
_SYSTEM = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion")
SYSTEM = fieldset.of("apiVersion", "kind", "metadata", *(f"metadata.{name}" for name in _SYSTEM))
"""What is nobody's."""


class Outcome(NamedTuple):
    """value: the object to be written; None when nothing of it changes."""

    value: Object | None
    managers: Managers


Comparisons = Mapping[str, Comparison | None]
"""By version, how an object changed in it; None where there is no such version any more."""


async def tracked(
    live: Object | None, new: Object, managers: Managers, manager: Manager, versions: Versions, *, now: str, ignored: FieldSet
) -> Managers:
    """Who owns what after an update. live: None for a creation. ignored: fields that this endpoint does not write.

    An object that was stored without managers stays without them until somebody applies to it.
    """
    if live is not None and not managers:
        return managers
    # What is not written here is taken from nobody either.
    found = Comparison(*(without(each, ignored) for each in compare(live or {}, new, versions.schema(versions.own))))
    left = _others(managers, await _compared(live, new, managers, manager, found, versions), manager)
    taken = difference(union(found.modified, found.added), SYSTEM)
    before = managers[manager].fields if manager in managers else {}
    kept = difference(before, found.removed)
    left.pop(manager, None)
    if taken or kept:
        # Fields that are owned already are not taken again: the time is of the last change of what is owned.
        changed = bool(taken)
        left[manager] = Owned(union(kept, taken), now if changed else managers[manager].time)
    return _capped(left)


async def apply(
    live: Object | None,
    config: Object,
    managers: Managers,
    manager: Manager,
    versions: Versions,
    *,
    now: str,
    force: bool,
    ignored: FieldSet,
) -> Outcome:
    """Raises ApplyError, Conflicts. live: None for an object that is made by this apply. config: with its apiVersion."""
    schema = versions.schema(versions.own)
    check(config, schema)
    current, version = live or {}, config.get("apiVersion", "")
    if live is not None and not managers:
        managers = _before_apply(live, version, schema, now)
    wanted = without(difference(fields_of(config, schema), SYSTEM), ignored)
    merged = merge(current, config, schema)
    last = managers.get(manager)
    others = {each: owned for each, owned in managers.items() if each != manager}
    if last is not None and (version_of(manager, last) != version or difference(last.fields, wanted)):
        # What is emptied goes; the configuration may want it, empty.
        owners = others | {manager: Owned(wanted, now, version)}
        merged = merge(await pruned(merged, owners, last, versions), config, schema)
    found = compare(current, merged, schema)
    compared = await _compared(live, merged, managers, manager, found, versions)
    conflicts = _conflicts(others, compared)
    if conflicts and not force:
        raise Conflicts({each: list(fieldset.paths(fields)) for each, fields in conflicts.items()})
    left = _others(others, compared, manager)
    changed = last is None or (last.fields, last.version) != (wanted, version)
    if wanted:
        left[manager] = Owned(wanted, now if changed or last is None else last.time, version)
    is_same = live is not None and same(current, merged)
    return Outcome(None if is_same and not changed and left == managers else merged, left)


async def _compared(
    live: Object | None, new: Object, managers: Managers, manager: Manager, found: Comparison, versions: Versions
) -> Comparisons:
    """What became of the object in each version that other managers know it in. found: in the own one."""
    compared: dict[str, Comparison | None] = {versions.own: found}
    values = [live or {}, new]
    for each, owned in managers.items():
        version = version_of(each, owned)
        if each != manager and version not in compared:
            both = await versions.converted(values, versions.own, version)
            if both is None:
                compared[version] = None
            elif both[0] is values[0] and both[1] is values[1]:
                # WHY not compared: clients may state managers, as many as an object holds, each of a version of its own.
                compared[version] = found
            else:
                compared[version] = compare(both[0], both[1], versions.schema(version))
    return compared


def _before_apply(live: Object, version: str, schema: Node, now: str) -> Managers:
    """All that was there before anybody applied has one manager, with whom applies may be in conflict."""
    fields = difference(compare({}, live, schema).added, SYSTEM)
    return {Manager(BEFORE_APPLY, UPDATE, version): Owned(fields, now)} if fields else {}


def _conflicts(others: Managers, compared: Comparisons) -> dict[Manager, FieldSet]:
    conflicts: dict[Manager, FieldSet] = {}
    taken = _of_each(compared, lambda found: union(found.modified, found.added))
    for each, owned in others.items():
        if fields := intersection(owned.fields, taken[version_of(each, owned)] or {}):
            conflicts[each] = fields
    return conflicts


def _others(managers: Managers, compared: Comparisons, manager: Manager) -> Managers:
    """The other managers without what was changed or removed, and without those of versions that are gone."""
    left: Managers = {}
    gone = _of_each(compared, lambda found: union(union(found.modified, found.added), found.removed))
    for each, owned in managers.items():
        if each == manager:
            left[each] = owned
        elif (lost := gone[version_of(each, owned)]) is not None and (fields := difference(owned.fields, lost)):
            left[each] = owned._replace(fields=fields)
    return left


def _of_each(compared: Comparisons, make: Callable[[Comparison], FieldSet]) -> Mapping[str, FieldSet | None]:
    """By version, made once of what several versions share."""
    made: dict[int, FieldSet] = {}
    for found in compared.values():
        if found is not None and id(found) not in made:
            made[id(found)] = make(found)
    return {version: None if found is None else made[id(found)] for version, found in compared.items()}


def _capped(managers: Managers) -> Managers:
    updaters = [each for each in managers if each.operation == UPDATE and not each.subresource]
    if len(updaters) <= MOST_UPDATERS:
        return managers
    oldest = sorted(updaters, key=lambda each: (managers[each].time, each))[: len(updaters) - MOST_UPDATERS + 1]
    joined: dict[str, Owned] = {}
    for each in oldest:
        before = joined.get(each.version, Owned({}))
        joined[each.version] = Owned(union(before.fields, managers[each].fields), max(before.time, managers[each].time))
    left = {each: owned for each, owned in managers.items() if each not in oldest}
    return left | {Manager(ANCIENT, UPDATE, version): owned for version, owned in joined.items()}
