"""JSON paths in a CRD: of printer columns, of scale, of selectable fields."""

import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

SELECTABLE_MAX = 8
SELECTABLE_TYPES = ("string", "boolean", "integer")
# Possessive throughout: a path that is none must not be tried in every way in which its dots can be told apart.
_PATH = re.compile(r"""(?:\.\.?+(?:[\w$*/-]|\\.)*+|\[\?\(.*?\)\]|\[[^\[\]]*+\])*+""")
_NAMES = re.compile(r"""\.([A-Za-z_$][\w$-]*)|\['([^']+)'\]""")


def validate_simple_path(path: str, here: str) -> list[Cause]:
    if not path.startswith("."):
        return [field.invalid(here, path, "must be a simple json path starting with .")]
    if not _PATH.fullmatch(path):
        return [field.invalid(here, path, "is an invalid path: unterminated or unrecognized expression")]
    return []


def validate_selectable(fields: list[Object], schema: Object, path: str, *, is_long: bool = False) -> list[Cause]:
    """is_long: too many fields are stored already, and may stay."""
    causes: list[Cause] = []
    seen: set[tuple[str, ...]] = set()
    for i, each in field.until_enough(causes, enumerate(fields)):
        target, here = each.get("jsonPath") or "", f"{path}[{i}].jsonPath"
        if not target:
            causes.append(field.required(here))
            continue
        names = tuple(target.removeprefix(".").split("."))
        meant = None if "[" in target else resolve(f".{'.'.join(names)}", schema)
        if meant is None:
            why = "array notation is not allowed" if "[" in target else "does not refer to a valid field"
            causes.append(field.invalid(here, target, f"is an invalid path: {why}"))
            continue
        causes += _selectable(target, names, meant, here)
        if names in seen:
            causes.append(field.duplicate(here, target))
        seen.add(names)
    if len(seen) > SELECTABLE_MAX and not is_long:
        causes.append(field.too_many(path, len(seen), SELECTABLE_MAX))
    return causes


def _selectable(target: str, names: tuple[str, ...], meant: Object, here: str) -> list[Cause]:
    causes: list[Cause] = []
    if names[0] == "metadata":
        causes.append(field.invalid(here, target, "must not point to fields in metadata"))
    if meant.get("type") not in SELECTABLE_TYPES:
        detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
        causes.append(field.invalid(here, target, detail))
    return causes


def resolve(path: str, schema: Object) -> Object | None:
    """The schema that a path of plain names leads to, None when there is none."""
    position = 0
    while position < len(path):
        step = _NAMES.match(path, position)
        if step is None:
            return None
        position = step.end()
        known = schema.get("properties") or {}
        below = known.get(step[1] or step[2])
        if below is None:
            extra = schema.get("additionalProperties")
            below = extra if isinstance(extra, dict) else None
        if below is None:
            return None
        schema = below
    return schema
