"""Who owns which fields after a write.

An update owns what it changes, and takes it from all others. An apply owns all that its configuration sets: where another manager
owns a field with another value the two are in conflict, and what the manager has applied before and does not any more goes, unless
somebody else owns it.
"""

from typing import NamedTuple

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.compare import Comparison, compare
from pilothouse.model.apply.errors import Conflicts
from pilothouse.model.apply.fields import check, fields_of
from pilothouse.model.apply.fieldset import FieldSet, difference, intersection, union, without
from pilothouse.model.apply.managers import UPDATE, Manager, Managers, Owned
from pilothouse.model.apply.merge import merge
from pilothouse.model.apply.removal import remove, with_named
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


def tracked(live: Object | None, new: Object, managers: Managers, manager: Manager, schema: Node, now: str, ignored: FieldSet) -> Managers:
    """Who owns what after an update. live: None for a creation. ignored: fields that this endpoint does not write.

    An object that was stored without managers stays without them until somebody applies to it.
    """
    if live is not None and not managers:
        return managers
    found = compare(live or {}, new, schema)
    left = _others(managers, found, manager)
    taken = without(difference(union(found.modified, found.added), SYSTEM), ignored)
    before = managers[manager].fields if manager in managers else {}
    kept = difference(before, found.removed)
    left.pop(manager, None)
    if taken or kept:
        # Fields that are owned already are not taken again: the time is of the last change of what is owned.
        changed = bool(taken)
        left[manager] = Owned(union(kept, taken), now if changed else managers[manager].time)
    return _capped(left)


def apply(
    live: Object | None, config: Object, managers: Managers, manager: Manager, schema: Node, *, now: str, force: bool, ignored: FieldSet
) -> Outcome:
    """Raises ApplyError, Conflicts. live: None for an object that is made by this apply. config: with its apiVersion."""
    check(config, schema)
    current, version = live or {}, config.get("apiVersion", "")
    if live is not None and not managers:
        managers = _before_apply(live, version, schema, now)
    wanted = without(difference(fields_of(config, schema), SYSTEM), ignored)
    merged = merge(current, config, schema)
    last = managers.get(manager)
    others = {each: owned for each, owned in managers.items() if each != manager}
    if last is not None and difference(last.fields, wanted):
        # What is emptied goes; the configuration may want it, empty.
        merged = merge(_pruned(merged, others, wanted, last.fields, schema), config, schema)
    found = compare(current, merged, schema)
    conflicts = _conflicts(others, found)
    if conflicts and not force:
        raise Conflicts({each: list(fieldset.paths(fields)) for each, fields in conflicts.items()})
    left = _others(others, found, manager)
    changed = last is None or (last.fields, last.version) != (wanted, version)
    if wanted:
        left[manager] = Owned(wanted, now if changed or last is None else last.time, version)
    is_same = live is not None and same(current, merged)
    return Outcome(None if is_same and not changed and left == managers else merged, left)


def _before_apply(live: Object, version: str, schema: Node, now: str) -> Managers:
    """All that was there before anybody applied has one manager, with whom applies may be in conflict."""
    fields = difference(compare({}, live, schema).added, SYSTEM)
    return {Manager(BEFORE_APPLY, UPDATE, version): Owned(fields, now)} if fields else {}


def _conflicts(others: Managers, found: Comparison) -> dict[Manager, FieldSet]:
    changed = union(found.modified, found.added)
    all_of = {each: intersection(owned.fields, changed) for each, owned in others.items()}
    return {each: fields for each, fields in all_of.items() if fields}


def _others(managers: Managers, found: Comparison, manager: Manager) -> Managers:
    """The other managers without what was changed or removed."""
    gone = union(union(found.modified, found.added), found.removed)
    left: Managers = {}
    for each, owned in managers.items():
        fields = owned.fields if each == manager else difference(owned.fields, gone)
        if fields:
            left[each] = owned._replace(fields=fields)
    return left


def _pruned(merged: Object, others: Managers, wanted: FieldSet, last: FieldSet, schema: Node) -> Object:
    """Without what the manager applied the last time, not this time, and nobody else owns."""
    everything = with_named(fields_of(merged, schema), schema)
    pruned = remove(merged, with_named(last, schema), schema)
    owned = wanted
    for each in others.values():
        owned = union(owned, each.fields)
    kept = union(with_named(fields_of(pruned, schema), schema), with_named(owned, schema))
    pruned = remove(merged, difference(everything, kept), schema)
    # Only what was the manager's own may go: an element that it named keeps what others have put into it.
    gone = difference(everything, with_named(fields_of(pruned, schema), schema))
    return remove(merged, intersection(gone, with_named(last, schema)), schema)


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
