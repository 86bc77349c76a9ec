"""Parts of a CRD's versions and the path under which upstream reports them."""

from typing import Any

from pilothouse.model.json import Object

_HOISTED_NAMES = {"schema": "validation"}
PER_VERSION = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


def is_shared(spec: Object, name: str) -> bool:
    """Whether all versions say the same about `name`, so that it counts as said once."""
    versions = spec.get("versions") or []
    return bool(versions) and all(version.get(name) == versions[0].get(name) for version in versions)


def each(spec: Object, name: str) -> list[tuple[Any, str, Object]]:
    """(value, path, version) of everything that is said about `name`."""
    versions = spec.get("versions") or []
    if is_shared(spec, name):
        found = [(versions[0].get(name), f"spec.{_HOISTED_NAMES.get(name, name)}", versions[0])]
    else:
        found = [(version.get(name), f"spec.versions[{i}].{name}", version) for i, version in enumerate(versions)]
    return [(value, path, version) for value, path, version in found if value]


def openapi(version: Object) -> Object | None:
    """The schema of a version."""
    found: Object | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found
