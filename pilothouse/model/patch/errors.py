"""Why a patch cannot be applied."""

from typing import Any


class PatchError(ValueError):
    """The patch is malformed or does not fit the document. The message is upstream's.

    code: the HTTP status that upstream gives this error.
    """

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


_KINDS: dict[type, str] = {str: "string", bool: "bool", dict: "object", list: "array"}


def unmarshal(value: Any, target: str) -> str:
    """What Go's decoder says about a JSON value of the wrong type."""
    return f"json: cannot unmarshal {_KINDS.get(type(value), 'number')} into {target}"
