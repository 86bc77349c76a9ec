"""OpenAPI version 2 in the protobuf form that kubectl asks for before it validates a List.

Only what a client goes by: the definitions, by which it validates, and of the paths what may be asked of a patch, by which a kubectl before
1.27 finds out whether a kind can be changed in a dry run (`diff`, `--dry-run=server`).
Field numbers are those of google/gnostic's OpenAPIv2.proto. Pure.
"""

from typing import Any

from pilothouse.model.json import Object, dumps

ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# What is asked for is no media type that Go can parse, so upstream answers with another.
CONTENT_TYPE = ACCEPTED.replace("@", ".")
_TEXTS = {"$ref": 1, "format": 2, "description": 4}
_REQUIRED, _ADDITIONAL, _TYPE, _ITEMS, _ALL_OF, _PROPERTIES, _EXTENSION = 19, 21, 22, 23, 24, 25, 31


def encode(document: Object) -> bytes:
    """A version 2 document; of its paths those that can be patched."""
    info = document["info"]
    head = _text(1, document["swagger"]) + _bytes(2, _text(1, info["title"]) + _text(2, info["version"]))
    return head + body(document)


def body(document: Object) -> bytes:
    """Paths and definitions, of a document or of a part of one. Raises AttributeError, KeyError, TypeError, ValueError for other shapes."""
    patches = [(path, item["patch"]) for path, item in document["paths"].items() if "patch" in item]
    paths = b"".join(_bytes(2, _named(path, _bytes(8, _patch(operation)))) for path, operation in patches)
    definitions = b"".join(_bytes(1, _named(name, _schema(schema))) for name, schema in document["definitions"].items())
    return _bytes(8, paths) + _bytes(9, definitions)


def _patch(operation: Object) -> bytes:
    """Its query parameters by name, and which kind it is about."""
    asked = [each for each in operation.get("parameters") or () if each.get("in") == "query"]
    queries = (_text(2, "query") + _text(4, each["name"]) + _text(6, each["type"]) for each in asked)
    parameters = [_bytes(8, _bytes(1, _bytes(2, _bytes(3, query)))) for query in queries]
    extensions = (_named(name, _yaml(value)) for name, value in operation.items() if name == "x-kubernetes-group-version-kind")
    return b"".join(parameters + [_bytes(13, extension) for extension in extensions])


def _schema(schema: Object) -> bytes:
    found = [_text(number, schema[name]) for name, number in _TEXTS.items() if schema.get(name)]
    found += [_text(_REQUIRED, name) for name in schema.get("required") or ()]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        found.append(_bytes(_ADDITIONAL, _bytes(1, _schema(additional))))
    if schema.get("type"):
        found.append(_bytes(_TYPE, _text(1, schema["type"])))
    if isinstance(schema.get("items"), dict):
        found.append(_bytes(_ITEMS, _bytes(1, _schema(schema["items"]))))
    found += [_bytes(_ALL_OF, _schema(inner)) for inner in schema.get("allOf") or ()]
    if schema.get("properties"):
        properties = (_bytes(1, _named(name, _schema(inner))) for name, inner in schema["properties"].items())
        found.append(_bytes(_PROPERTIES, b"".join(properties)))
    # JSON is YAML, which is what extensions are written in.
    found += [_bytes(_EXTENSION, _named(name, _yaml(value))) for name, value in schema.items() if name.startswith("x-")]
    return b"".join(found)


def _yaml(value: Any) -> bytes:
    return _text(2, dumps(value).decode())


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _bytes(2, value)


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
