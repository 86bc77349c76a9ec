"""Finalizers of custom resources that another controller might take for its own.

Source: apiextensions-apiserver pkg/registry/customresource/validator.go, validateKubeFinalizerName.
"""

from pilothouse.engine.apiserver.kinds.metadata import STANDARD_FINALIZERS
from pilothouse.model import names
from pilothouse.model.json import Object

_AVOID = "to avoid accidental conflicts with other finalizer writers"
_MOST = 20


def finalizer_warnings(obj: Object, old: Object | None = None) -> list[str]:
    """Of those that are new; of many the first."""
    new = set(obj["metadata"].get("finalizers") or ()) - set(((old or {}).get("metadata") or {}).get("finalizers") or ())
    return [f'metadata.finalizers: "{name}": {why}' for name in sorted(new)[:_MOST] for why in _doubts(name)]


def _doubts(name: str) -> list[str]:
    found = names.qualified_name(name)
    if "/" in name or name in STANDARD_FINALIZERS:
        return found
    including = " including a path (/)" if "." in name else ""
    return [*found, f"prefer a domain-qualified finalizer name{including} {_AVOID}"]
