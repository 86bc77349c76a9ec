"""Takes over objects that `kubectl apply` has kept by its annotation, without the server.

Only for the manager `kubectl`: its own earlier configuration is no conflict with it, and the annotation follows what it applies, so
that a client without server-side apply can go on with the object. Source: managedfields, lastappliedmanager.go, lastappliedupdater.go.
"""

from typing import Any

from pilothouse.model.apply import Conflicts, Manager, fields_of, paths
from pilothouse.model.depth import is_too_deep
from pilothouse.model.json import JSONError, Object, dumps, loads
from pilothouse.model.schema.node import Node

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL = "kubectl"
MOST_BYTES = 256 * 1024
"""Of all annotations of an object; a longer configuration is left out."""


def settles(conflicts: Conflicts, live: Object | None, manager: Manager, schema: Node) -> bool:
    """Whether all fields in conflict were set by the configuration in the annotation."""
    before = _annotation(live) if manager.name == KUBECTL else None
    if not isinstance(before, dict):
        return False
    own = set(paths(fields_of(before, schema)))
    return all(path in own for found in conflicts.by.values() for path in found)


def follow(value: Object, config: Object, manager: Manager) -> None:
    """Put the configuration into the annotation of the new object, where it has one. Nobody owns it."""
    if manager.name != KUBECTL or manager.subresource or _annotation(value) is None:
        return
    metadata = {key: each for key, each in config["metadata"].items() if key != "annotations"}
    notes = {key: each for key, each in (config["metadata"].get("annotations") or {}).items() if key != ANNOTATION}
    text = dumps({**config, "metadata": metadata | ({"annotations": notes} if notes else {})}).decode() + "\n"
    value["metadata"]["annotations"][ANNOTATION] = text if len(text) <= MOST_BYTES else ""


def _annotation(live: Object | None) -> Any:
    """The configuration; None where there is no annotation, or nothing to be read in it."""
    text = ((live or {}).get("metadata") or {}).get("annotations", {}).get(ANNOTATION)
    try:
        found = loads(text) if text else None
    except JSONError:
        return None
    return None if is_too_deep(found) else found
