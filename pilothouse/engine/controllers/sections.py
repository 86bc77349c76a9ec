"""The two halves of an object, empty where they are not there: what is asked for, and what is."""

from pilothouse.model.json import Object


def spec(obj: Object) -> Object:
    found: Object = obj.get("spec") or {}
    return found


def status(obj: Object) -> Object:
    found: Object = obj.get("status") or {}
    return found
