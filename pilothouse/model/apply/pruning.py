"""Takes from an object what a manager applied the last time, not this time, and nobody else owns.

Source: sigs.k8s.io/structured-merge-diff/merge, update.go, prune.
"""

from typing import NamedTuple

from pilothouse.model.apply.fields import fields_of
from pilothouse.model.apply.fieldset import FieldSet, below, difference, field, intersection, node, union
from pilothouse.model.apply.managers import Managers, Owned
from pilothouse.model.apply.removal import remove, with_named
from pilothouse.model.apply.versions import Versions, version_of
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node


class _State(NamedTuple):
    """whole: with everything; left: without what is to go. Both in a version."""

    whole: Object
    left: Object
    version: str


async def pruned(merged: Object, owners: Managers, last: Owned, versions: Versions) -> Object:
    """merged: in the own version. owners: as they will be, the manager with what it wants now included. last: what it had applied."""
    version = last.version or versions.own
    there = await _converted([merged], versions.own, version, versions)
    if there is None:
        return merged
    (whole,), schema = there, versions.schema(version)
    gone = _within_metadata(with_named(last.fields, schema))
    state = _State(whole, remove(whole, gone, schema), version)
    for each, owned in _by_version(owners, version, versions.own).items():
        state = await _with_owned(state, each, owned, versions)
    back = await _converted([state.left], state.version, version, versions)
    if back is None:
        return merged
    # Only what was the manager's own may go: an element that it named keeps what others have put into it.
    missing = difference(_everything(whole, schema), _everything(back[0], schema))
    found = await _converted([remove(whole, intersection(missing, gone), schema)], version, versions.own, versions)
    return merged if found is None else found[0]


def _within_metadata(gone: FieldSet) -> FieldSet:
    """Metadata as a whole never goes: every configuration has a name in it, though names are kept out of what managers own."""
    name = field("metadata")
    left = node(below(gone[name]), is_member=False) if name in gone else None
    kept = {each: found for each, found in gone.items() if each != name}
    return kept if left is None else kept | {name: left}


async def _with_owned(state: _State, version: str, owned: FieldSet, versions: Versions) -> _State:
    """With what is owned in a version, which what is left is in then; as it is where there is no such version."""
    both = await _converted([state.whole, state.left], state.version, version, versions)
    if both is None:
        return state
    whole, left = both
    schema = versions.schema(version)
    kept = union(_everything(left, schema), with_named(owned, schema))
    return _State(whole, remove(whole, difference(_everything(whole, schema), kept), schema), version)


def _by_version(owners: Managers, first: str, own: str) -> dict[str, FieldSet]:
    """What is owned in each version; that of `first` before the others, since a conversion may need what it keeps."""
    found: dict[str, FieldSet] = {first: {}}
    for manager, owned in owners.items():
        version = version_of(manager, owned) or own
        found[version] = union(found.get(version, {}), owned.fields)
    return found


def _everything(value: Object, schema: Node) -> FieldSet:
    return with_named(fields_of(value, schema), schema)


async def _converted(values: list[Object], source: str, target: str, versions: Versions) -> list[Object] | None:
    return values if source == target else await versions.converted(values, source, target)
