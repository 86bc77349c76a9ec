"""File paths and modes inside a pod's volumes: nothing may climb out of its volume."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def no_backsteps(value: str, path: str) -> list[Cause]:
    return [field.invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending(value: str, path: str) -> list[Cause]:
    """A relative path that stays below where it starts."""
    causes = [field.invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return causes + no_backsteps(value, path)


def unreserved(value: str, path: str) -> list[Cause]:
    """Names that start with `..` are the writer's own, for swapping a volume's content atomically."""
    causes = descending(value, path)
    if value.startswith("..") and value != ".." and not value.startswith("../"):
        causes.append(field.invalid(path, value, "must not start with '..'"))
    return causes


def mode(value: int | None, path: str) -> list[Cause]:
    return [] if value is None or 0 <= value <= 0o777 else [field.invalid(path, value, BAD_MODE)]


def key_to_path(item: Object, path: str) -> list[Cause]:
    causes = [] if item.get("key") else [field.required(f"{path}.key")]
    target = item.get("path") or ""
    causes += unreserved(target, f"{path}.path") if target else [field.required(f"{path}.path")]
    return causes + mode(item.get("mode"), f"{path}.mode")
