"""Formats in schemas that nothing is held to: taken, and warned of.

Source: apiextensions-apiserver pkg/apiserver/validation/formats.go, GetUnrecognizedFormats.
"""

from collections.abc import Iterator

from pilothouse.engine.apiserver.kinds.crd import per_version
from pilothouse.engine.apiserver.kinds.crd.structural import schemas_below
from pilothouse.model.json import Object
from pilothouse.model.schema.formats import FORMATS

_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}
_TEXTS = frozenset(name.replace("-", "") for name in (*FORMATS, "password"))
_SHOWN_MAX = 20
_SHOWN_CHARACTERS = 100


def unknown_formats(spec: Object) -> list[str]:
    """Of all versions, in the order in which they stand; of many the first. One schema that all versions share counts once."""
    versions = spec.get("versions") or []
    meant = versions[:1] if "schema" in per_version.said_once(spec) else versions
    found: list[str] = []
    for version in meant:
        for name in _unknown(per_version.openapi(version) or {}):
            if len(found) < _SHOWN_MAX:
                found.append(name[:_SHOWN_CHARACTERS])
    return found


def _unknown(schema: Object) -> Iterator[str]:
    pending = [schema]
    while pending:
        found = pending.pop()
        name, kind = found.get("format") or "", found.get("type") or ""
        if name and not _is_known(name, kind):
            yield name
        pending += reversed(schemas_below(found))


def _is_known(name: str, kind: str) -> bool:
    return name.replace("-", "") in _TEXTS if kind in ("", "string") else name in _NUMBERS.get(kind, ())
