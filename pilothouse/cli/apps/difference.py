"""Carries one change over onto an object that others may have changed meanwhile (pure)."""

from pilothouse.model.json import Object

_ABSENT = object()


def carried_over(before: Object, after: Object, current: Object) -> Object:
    """`current` with what differs between `before` and `after`; everything else stays as it is in `current`.

    Objects are compared field by field, lists as a whole. None of the arguments is changed.
    """
    result = dict(current)
    for name in before.keys() | after.keys():
        old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
        here = current.get(name)
        if old == new:
            continue
        if new is _ABSENT:
            result.pop(name, None)
        elif isinstance(old, dict) and isinstance(new, dict) and isinstance(here, dict):
            result[name] = carried_over(old, new, here)
        else:
            result[name] = new
    return result
