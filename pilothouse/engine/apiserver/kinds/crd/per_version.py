"""Parts of a CRD's versions and the path under which upstream reports them."""

from typing import Any

from pilothouse.model.json import Object

_HOISTED_NAMES = {"schema": "validation"}
PER_VERSION = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


def said_once(spec: Object) -> frozenset[str]:
    """The parts about which all versions say the same."""
    versions = spec.get("versions") or []
    if not versions:
        return frozenset()
    return frozenset(name for name in PER_VERSION if all(version.get(name) == versions[0].get(name) for version in versions))


def shared(spec: Object, name: str, once: frozenset[str]) -> list[tuple[Any, str, Object]]:
    """(value, path, first version) of what all versions say about `name`; nothing where they differ, or say nothing.

    once: what `said_once` finds, here and below; it takes a look at all versions.
    """
    if name not in once:
        return []
    version = spec["versions"][0]
    return [(version[name], f"spec.{_HOISTED_NAMES.get(name, name)}", version)] if version.get(name) else []


def own(spec: Object, name: str, index: int, once: frozenset[str]) -> list[tuple[Any, str, Object]]:
    """The same of what one version says for itself."""
    version = spec["versions"][index]
    return [] if name in once or not version.get(name) else [(version[name], f"spec.versions[{index}].{name}", version)]


def has_status(spec: Object, version: Object, once: frozenset[str]) -> bool:
    """Whether status is a subresource where the schema of this version holds; one that is shared holds in all of them."""
    meant = spec["versions"] if "schema" in once else [version]
    return any((each.get("subresources") or {}).get("status") is not None for each in meant)


def openapi(version: Object) -> Object | None:
    """The schema of a version."""
    found: Object | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found


def part_of(spec: Object | None, version: Object, name: str) -> Any:
    """What the version of the same name says about `name`; None where there is none."""
    versions = (spec or {}).get("versions") or ()
    return next((each.get(name) for each in versions if each.get("name") == version.get("name")), None)
