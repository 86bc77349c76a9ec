"""How Go prints a decoded JSON value with `%v`: part of upstream's messages about patches."""

from typing import Any


def go_text(value: Any) -> str:
    """`map[a:1 b:[x y]]`, keys sorted."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(go_text, value)) + "]"
        case type():
            return _TYPES.get(value, value.__name__)
    return str(value)


_TYPES = {str: "string", bool: "bool", int: "int64", float: "float64", dict: "map[string]interface {}", type(None): "<nil>"}
