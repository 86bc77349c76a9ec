"""Named formats. Source: apiserver/pkg/cel/library/format.go.

What is optional there is a list of at most one element here: no implementation of a function can make optional values.
`with_optionals` makes the texts of expressions take that element.
"""

from collections.abc import Callable
from typing import Any

from pilothouse.model import names
from pilothouse.model.cel.functions.declare import T, function, method
from pilothouse.model.cel.functions.urls import is_request_uri
from pilothouse.model.cel.messages import FORMAT, make, type_of
from pilothouse.model.cel.source import closing, outside_of_texts
from pilothouse.model.schema.formats import FORMATS as SCHEMA_FORMATS

_FORMAT = type_of(FORMAT)
_FIRST = "[?0]"
_CALLS = (".validate(", "format.named(")


def _of_schema(format: str, why: str) -> Callable[[str], list[str]]:
    accepts = SCHEMA_FORMATS[format]
    return lambda text: [] if accepts(text) else [why]


_JUDGES: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": names.dns1123_label,
    "dns1123Subdomain": names.dns1123_subdomain,
    "dns1035Label": names.dns1035_label,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": names.prefix_of(names.dns1123_label),
    "dns1123SubdomainPrefix": names.prefix_of(names.dns1123_subdomain),
    "dns1035LabelPrefix": names.prefix_of(names.dns1035_label),
    "labelValue": names.label_value,
    "uri": lambda text: [] if is_request_uri(text) else [f'parse "{text}": invalid URI for request'],
    "uuid": _of_schema("uuid", "does not match the UUID format"),
    "byte": _of_schema("byte", "invalid base64"),
    "date": _of_schema("date", "invalid date"),
    "datetime": _of_schema("date-time", "invalid datetime"),
}


def _named(name: str) -> list[Any]:
    return [make(FORMAT, name=name)] if name in _JUDGES else []


def _constant(name: str) -> Callable[[], Any]:
    return lambda: make(FORMAT, name=name)


def _validate(format: Any, text: str) -> list[list[str]]:
    found = _JUDGES[format.name](text)
    return [found] if found else []


NAMED_FORMATS = (
    function("format.named", (T.List(_FORMAT), (T.STRING,), _named)),
    *(function(f"format.{name}", (_FORMAT, (), _constant(name))) for name in _JUDGES),
    method("validate", (T.List(T.List(T.STRING)), (_FORMAT, T.STRING), _validate)),
)


def with_optionals(text: str) -> str:
    """The expression with the results of these functions taken out of their lists."""
    for call in _CALLS:
        if call in text:
            text = _after_each(text, call)
    return text


def _after_each(text: str, call: str) -> str:
    shown, at = [], 0
    outside = outside_of_texts(text)
    while (found := text.find(call, at)) >= 0:
        end = found + len(call)
        shown.append(text[at:end])
        at = end
        if outside[found] and (close := closing(text, end, outside)) is not None:
            # Calls inside of the arguments have their turn as well.
            shown.append(_after_each(text[end:close], call) + ")" + _FIRST)
            at = close + 1
    return "".join(shown) + text[at:]
