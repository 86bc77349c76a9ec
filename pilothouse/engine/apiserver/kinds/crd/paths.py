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


def validate_selectable(fields: list[Object], schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if len(fields) > SELECTABLE_MAX:
        causes.append(field.too_many(path, len(fields), SELECTABLE_MAX))
    seen: set[str] = set()
    for i, each in enumerate(fields):
        target, here = each.get("jsonPath") or "", f"{path}[{i}].jsonPath"
        if not target:
            causes.append(field.required(here))
            continue
        if target in seen:
            causes.append(field.duplicate(here, target))
        seen.add(target)
        found = validate_simple_path(target, here)
        causes += found or _selectable(target, schema, here)
    return causes


def _selectable(target: str, schema: Object, here: str) -> list[Cause]:
    meant = resolve(target, schema)
    if meant is None or target.startswith(".metadata"):
        return [field.invalid(here, target, "is an invalid path: does not refer to a valid field")]
    if meant.get("type") not in SELECTABLE_TYPES:
        detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
        return [field.invalid(here, target, detail)]
    return []


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
