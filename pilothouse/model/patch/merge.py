"""JSON Merge Patch (RFC 7386): null deletes, objects merge, everything else replaces."""

from typing import Any


def apply(document: Any, patch: Any) -> Any:
    """The patched document. The arguments are not changed; the result shares what the patch leaves alone."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = apply(result.get(key), value)
        else:
            result[key] = value
    return result
