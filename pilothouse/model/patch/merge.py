"""JSON Merge Patch (RFC 7386): null deletes, objects merge, everything else replaces."""

from typing import Any

from pilothouse.model.patch.errors import PatchError, unmarshal


def check(patch: Any) -> None:
    """Raise PatchError (400) for what is no object: the API patches objects only, though the RFC knows better."""
    if patch is None:
        raise PatchError("Invalid JSON Patch", 400)
    if not isinstance(patch, dict):
        raise PatchError(f"error decoding patch: {unmarshal(patch, 'Go value of type map[string]interface {}')}", 400)


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
