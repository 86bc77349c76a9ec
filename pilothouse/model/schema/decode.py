"""Decoding objects of built-in kinds as upstream's Go types do: types are checked, unknown fields dropped, values brought into one form.

A schema compiles into closures, one a place, so that a pod takes tens of microseconds. The closures build a fresh value and never change
the one they are given. They only note that something unknown was there; where it was is looked up afterwards, by a second, slow walk.
Source: encoding/json and sigs.k8s.io/json for the errors' wording, apimachinery's types for the canonical forms.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from pilothouse.model.schema.node import Node
from pilothouse.model.schema.presence import NONE, NULLS, POINTERS, VALUES, short_name
from pilothouse.model.schema.scalars import CONVERTERS, DecodeError, Mismatch

Decoder = Callable[[Any, list[str]], Any]
"""Takes a value (never None) and the list that the names of unknown fields are noted in."""


class _Omit:
    """Stands for a field that is not written."""

    def __repr__(self) -> str:
        return "OMIT"


OMIT = _Omit()
_STRINGS = {str}


class Decoded(NamedTuple):
    """value: a fresh copy in canonical form. unknown: paths of the fields that were dropped, in the order of the document."""

    value: Any
    unknown: list[str]


def decode(node: Node, decoder: Decoder, value: Any) -> Decoded:
    """Raises DecodeError with upstream's message."""
    seen: list[str] = []
    try:
        result = decoder({} if value is None else value, seen)
    except Mismatch as error:
        raise DecodeError(error.text()) from None
    except RecursionError:
        raise DecodeError("exceeded max depth") from None
    return Decoded(result, unknown_fields(node, value, "") if seen else seen)


class Compiler:
    """Makes decoders of nodes; those of named definitions are made once and shared, also between threads."""

    def __init__(self) -> None:
        self._structs: dict[Node, Decoder] = {}
        # WHY: until a definition's decoder is made, those that refer to it lead nowhere.
        self._making = threading.RLock()

    def decoder(self, node: Node) -> Decoder:
        """For a value in its own right: an element of a list, a value of a map, a whole document."""
        with self._making:
            return self._decoder(node)

    def _decoder(self, node: Node) -> Decoder:
        if node.format in CONVERTERS:
            return CONVERTERS[node.format]
        if node.format.startswith("schema-or-"):
            return self._schema_or(node)
        match node.type:
            case "object" if node.additional is not None:
                return self._map(node)
            case "object":
                return self._struct(node)
            case "array":
                return self._array(node)
        return CONVERTERS.get(node.type, CONVERTERS["any"])

    def _struct(self, node: Node) -> Decoder:
        found = self._structs.get(node)
        if found is not None:
            return found

        def forward(value: Any, seen: list[str]) -> Any:
            return self._structs[node](value, seen)

        self._structs[node] = forward
        made = self._structs[node] = self._make_struct(node)
        return made

    def _make_struct(self, node: Node) -> Decoder:
        short = short_name(node.name)
        pointers, values, nulls = POINTERS.get(short, NONE), VALUES.get(short, NONE), NULLS.get(short, NONE)
        fields: dict[str, Any] = {}
        zeros: list[tuple[str, Callable[[], Any]]] = []
        for name, child in node.properties.items():
            always = name in node.required or name in values or name in nulls or (name == "metadata" and bool(node.kinds or child.name))
            fields[name] = self._field(child, always or name in pointers)
            if name in nulls:
                zeros.append((name, _null))
            elif always:
                zeros += [(name, zero) for zero in self._zero(child, name in values or name == "metadata")]
        if node.kinds:
            fields["apiVersion"] = fields["kind"] = str
        return _struct_decoder(node, fields, tuple(zeros))

    def _field(self, node: Node, keeps_zero: bool) -> Any:
        """A field's decoder, or `str` for the most common kind of field: a string that is left out when empty."""
        if node.type == "string" and not node.format and not keeps_zero:
            return str
        convert = self.decoder(node)
        is_struct = node.type == "object" and node.additional is None
        if keeps_zero or is_struct or node.format in ("quantity", "any", "int-or-string") or node.format.startswith("schema-or-"):
            return convert

        def optional(value: Any, seen: list[str]) -> Any:
            return convert(value, seen) or OMIT

        return optional

    def _zero(self, node: Node, by_value: bool) -> list[Callable[[], Any]]:
        """What an absent field that is always written holds; nothing for what would be null."""
        if node.format == "quantity":
            return [lambda: "0"]
        if node.format == "int-or-string":
            return [int]
        if node.format:
            return [int] if node.type == "integer" else []
        if node.type == "object" and node.additional is None and by_value:
            decoder = self.decoder(node)
            return [lambda: decoder({}, [])]
        kinds: dict[str, Callable[[], Any]] = {"string": str, "integer": int, "boolean": bool, "number": int}
        return [kinds[node.type]] if node.type in kinds else []

    def _array(self, node: Node) -> Decoder:
        item, go_type = node.items or Node(), node.go_type
        convert, zero = self.decoder(item), self._element_zero(item)
        plain = item.type == "string" and not item.format

        def decode_array(value: Any, seen: list[str]) -> Any:
            if type(value) is not list:
                raise Mismatch(value, go_type)
            if plain and (not value or set(map(type, value)) == _STRINGS):
                return value.copy()
            return [zero() if each is None else convert(each, seen) for each in value]

        return decode_array

    def _map(self, node: Node) -> Decoder:
        item, go_type = node.additional or Node(), node.go_type
        convert, zero = self.decoder(item), self._element_zero(item)
        plain = item.type == "string" and not item.format

        def decode_map(value: Any, seen: list[str]) -> Any:
            if type(value) is not dict:
                raise Mismatch(value, go_type)
            if plain and (not value or set(map(type, value.values())) == _STRINGS):
                return value.copy()
            return {key: zero() if each is None else convert(each, seen) for key, each in value.items()}

        return decode_map

    def _element_zero(self, node: Node) -> Callable[[], Any]:
        """What a null in a list or map becomes: Go's zero value."""
        if node.format == "byte":
            return _null
        if node.type == "object" and node.additional is None:
            return lambda: self.decoder(node)({}, [])
        zeros = self._zero(node, True)
        return zeros[0] if zeros else _null

    def _schema_or(self, node: Node) -> Decoder:
        """A JSON schema, or the other thing that stands in its place in some keywords."""
        assert node.items is not None
        schema, format = self.decoder(node.items), node.format
        strings = CONVERTERS["string"]

        def decode_either(value: Any, seen: list[str]) -> Any:
            if type(value) is dict:
                return schema(value, [])
            if format == "schema-or-bool" and type(value) is bool:
                return value
            if format == "schema-or-array" and type(value) is list:
                return [schema(each, []) for each in value]
            if format == "schema-or-strings" and type(value) is list:
                return [strings(each, seen) for each in value]
            wanted = "boolean" if format == "schema-or-bool" else "array"
            raise DecodeError(f"{wanted} or JSON schema expected")

        return decode_either


def _null() -> None:
    return None


def _struct_decoder(node: Node, fields: dict[str, Any], zeros: tuple[tuple[str, Callable[[], Any]], ...]) -> Decoder:
    go_type = node.go_type
    struct = go_type.rpartition(".")[2]
    find = fields.get

    def decode_struct(value: Any, seen: list[str]) -> Any:
        if type(value) is not dict:
            raise Mismatch(value, go_type)
        result = {}
        key = ""
        try:
            for key, item in value.items():
                field = find(key)
                if field is str:
                    if type(item) is str:
                        if item:
                            result[key] = item
                    elif item is not None:
                        raise Mismatch(item, "string")
                elif field is None:
                    seen.append(key)
                elif item is not None:
                    made = field(item, seen)
                    if made is not OMIT:
                        result[key] = made
        except Mismatch as error:
            error.enter(struct, key)
            raise
        for key, zero in zeros:
            if key not in result:
                result[key] = zero()
        return result

    return decode_struct


def unknown_fields(node: Node, value: Any, path: str) -> list[str]:
    """Paths of the fields that the schema does not know, as `spec.containers[0].foo`, in the order of the document."""
    if type(value) is list:
        item = node.items
        if item is None or node.type != "array":
            return []
        return [found for position, each in enumerate(value) for found in unknown_fields(item, each, f"{path}[{position}]")]
    if type(value) is not dict or node.type != "object" or node.format:
        return []
    found: list[str] = []
    for key, each in value.items():
        below = f"{path}.{key}" if path else key
        child = node.additional or node.properties.get(key)
        if child is None:
            found.append(below)
        elif each is not None:
            found += unknown_fields(child, each, below)
    return found
