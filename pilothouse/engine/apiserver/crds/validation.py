"""What a CustomResourceDefinition must be: names, versions, columns, subresources; its schemas are `schema_rules`' matter.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation. Upstream hoists what all versions share to the top of the spec
before it validates, so field paths of a definition with one version start at the top.
"""

import re
from collections.abc import Iterator
from typing import Any

from pilothouse.engine.apiserver.crds.schema_rules import check_schema
from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, dumps
from pilothouse.model.names import dns1035_label, dns1123_subdomain

_APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = re.compile(r"(^|\.)(k8s|kubernetes)\.io$")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_PATH = re.compile(r"^\.[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$")


def invalid(field: str, value: Any, why: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else dumps(value).decode()
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def required(field: str, why: str = "") -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def unsupported(field: str, value: str, supported: tuple[str, ...]) -> Cause:
    known = ", ".join(f'"{each}"' for each in supported)
    return Cause(field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {known}')


def validate(crd: Object) -> list[Cause]:
    return [*_metadata(crd), *_spec(crd), *_stored(crd)]


def validate_update(crd: Object, old: Object) -> list[Cause]:
    causes = [*metadata.validate_update(crd, old), *_spec(crd), *_stored(crd)]
    established = any(
        condition["type"] == "Established" and condition["status"] == "True" for condition in (old.get("status") or {}).get("conditions") or ()
    )
    spec, before = crd["spec"], old["spec"]
    if spec.get("group") != before.get("group"):
        causes.append(invalid("spec.group", spec.get("group", ""), "field is immutable"))
    if spec["names"].get("plural") != before["names"].get("plural"):
        causes.append(invalid("spec.names.plural", spec["names"].get("plural", ""), "field is immutable"))
    if established:
        if spec.get("scope") != before.get("scope"):
            causes.append(invalid("spec.scope", spec.get("scope", ""), "field is immutable"))
        if spec["names"].get("kind") != before["names"].get("kind"):
            causes.append(invalid("spec.names.kind", spec["names"].get("kind", ""), "field is immutable"))
    return causes


def _metadata(crd: Object) -> Iterator[Cause]:
    spec = crd["spec"]

    def rule(name: str, *_: object) -> list[str]:
        wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
        return [] if name == wanted else ['must be spec.names.plural+"."+spec.group']

    yield from metadata.validate(crd, rule)
    notes = crd["metadata"].get("annotations") or {}
    if _PROTECTED.search(spec.get("group", "")) and not notes.get(_APPROVAL):
        why = f'protected groups must have approval annotation "{_APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111'
        yield required(f"metadata.annotations[{_APPROVAL}]", why)


def _spec(crd: Object) -> Iterator[Cause]:
    spec = crd["spec"]
    group = spec.get("group", "")
    if not group:
        yield required("spec.group")
    else:
        problems = dns1123_subdomain(group)
        yield from (invalid("spec.group", group, why) for why in problems)
        if not problems and "." not in group:
            yield invalid("spec.group", group, "should be a domain with at least one dot")
    scope = spec.get("scope", "")
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield unsupported("spec.scope", scope, ("Cluster", "Namespaced"))
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid("spec.preserveUnknownFields", True, why)
    yield from _versions(spec)
    yield from _names(spec["names"])
    yield from _parts(spec)
    strategy = (spec.get("conversion") or {}).get("strategy", "")
    if strategy not in ("None", "Webhook"):
        yield unsupported("spec.conversion.strategy", strategy, ("None", "Webhook"))


def _versions(spec: Object) -> Iterator[Cause]:
    versions = spec.get("versions") or []
    names = [version.get("name", "") for version in versions]
    for index, version in enumerate(versions):
        name = version.get("name", "")
        for why in dns1035_label(name):
            yield invalid(f"spec.versions[{index}].name", name, why)
        if version.get("deprecationWarning") is not None and not version.get("deprecated"):
            warning = version["deprecationWarning"]
            yield invalid(f"spec.versions[{index}].deprecationWarning", warning, "can only be set for deprecated versions")
    if len(set(names)) != len(names):
        yield invalid("spec.versions", spec.get("versions"), "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        yield invalid("spec.versions", spec.get("versions"), "must have exactly one version marked as storage version")
    if names:
        for why in dns1035_label(names[0]):
            yield invalid("spec.version", names[0], why)


def _names(names: Object) -> Iterator[Cause]:
    for field in ("plural", "singular"):
        value = names.get(field, "")
        if not value:
            yield required(f"spec.names.{field}")
        else:
            yield from (invalid(f"spec.names.{field}", value, why) for why in dns1035_label(value))
    for field in ("kind", "listKind"):
        value = names.get(field, "")
        if not value:
            yield required(f"spec.names.{field}")
        else:
            mixed = "may have mixed case, but should otherwise match: "
            yield from (invalid(f"spec.names.{field}", value, mixed + why) for why in dns1035_label(value.lower()))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(names.get(field) or ()):
            yield from (invalid(f"spec.names.{field}[{index}]", value, why) for why in dns1035_label(value))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")


def _parts(spec: Object) -> Iterator[Cause]:
    """Schema, subresources, columns and selectable fields of each version, or of all when they are the same in all."""
    versions = spec.get("versions") or []
    fields = ("subresources", "additionalPrinterColumns", "selectableFields", "schema")
    shared = {field: all(version.get(field) == versions[0].get(field) for version in versions) for field in fields} if versions else {}
    for index, version in enumerate(versions):
        for field in fields:
            if shared[field] and index > 0:
                continue
            path = f"spec.{field}" if shared[field] else f"spec.versions[{index}].{field}"
            yield from _part(field, path, index, version, shared[field])


def _part(field: str, path: str, index: int, version: Object, shared: bool) -> Iterator[Cause]:
    value = version.get(field)
    if field == "schema":
        openapi = (value or {}).get("openAPIV3Schema")
        if openapi is None or openapi == {} and value == {}:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
        else:
            root = "spec.validation.openAPIV3Schema" if shared else f"{path}.openAPIV3Schema"
            yield from check_schema(openapi, root)
    elif field == "subresources":
        yield from _scale((value or {}).get("scale"), f"{path}.scale")
    elif field == "additionalPrinterColumns":
        for position, column in enumerate(value or ()):
            yield from _column(column, f"{path}[{position}]")
    else:
        for position, selectable in enumerate(value or ()):
            yield from _selectable(selectable.get("jsonPath", ""), f"{path}[{position}].jsonPath")


def _scale(scale: Object | None, path: str) -> Iterator[Cause]:
    if scale is None:
        return
    for name, start in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(name, "")
        if not value:
            yield required(f"{path}.{name}")
        elif not _PATH.match(value):
            yield invalid(f"{path}.{name}", value, "must be a simple json path with valid identifiers")
        elif not value.startswith(start):
            yield invalid(f"{path}.{name}", value, f"should be a json path under {start.rstrip('.')}")
    selector = scale.get("labelSelectorPath")
    if selector and not selector.startswith((".spec.", ".status.")):
        yield invalid(f"{path}.labelSelectorPath", selector, "should be a json path under either .spec or .status")


def _column(column: Object, path: str) -> Iterator[Cause]:
    if not column.get("name"):
        yield required(f"{path}.name")
    type, format, json_path = column.get("type", ""), column.get("format", ""), column.get("jsonPath", "")
    if not type:
        yield required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
    elif type not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", type, f"must be one of {','.join(_COLUMN_TYPES)}")
    if format and format not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", format, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not json_path:
        yield required(f"{path}.JSONPath")
    elif not json_path.startswith("."):
        yield invalid(f"{path}.JSONPath", json_path, "must be a simple json path starting with .")


def _selectable(json_path: str, path: str) -> Iterator[Cause]:
    if not json_path:
        yield required(path)
    elif not _PATH.match(json_path) or json_path.startswith(".metadata"):
        yield invalid(path, json_path, "is an invalid path: does not refer to a valid field")


def _stored(crd: Object) -> Iterator[Cause]:
    stored = (crd.get("status") or {}).get("storedVersions") or []
    if not stored:
        yield invalid("status.storedVersions", None, "must have at least one stored version")
    names = [version.get("name") for version in crd["spec"].get("versions") or ()]
    for index, name in enumerate(stored):
        if name not in names:
            yield invalid(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
