"""The types that a schema gives to the values of expressions, for checking them.

Objects become messages; lists and maps inside of lists and maps are of anything, since no message can say more.
Source: apiserver/pkg/cel/common/schemas.go.
"""

from cel_expr_python import cel
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from pilothouse.model.cel.messages import KNOWN, new_pool
from pilothouse.model.cel.names import escaped
from pilothouse.model.cel.values import fields_of, is_map
from pilothouse.model.schema.node import Node

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"integer": _Field.TYPE_INT64, "number": _Field.TYPE_DOUBLE, "boolean": _Field.TYPE_BOOL, "string": _Field.TYPE_STRING}
_NAMES = {"integer": "int", "number": "double", "boolean": "bool", "string": "string"}
_ANYTHING, _LIST, _MAP = "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Struct"
FORMATS = {"date": "google.protobuf.Timestamp", "date-time": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
"""Of strings that are no texts in expressions; `byte` is of the type bytes."""

ROOT = "selfType"


def type_of_schema(node: Node, *, is_resource: bool) -> tuple[cel.Type, DescriptorPool]:
    """The type of values of a schema, and the pool that it is declared in."""
    pool = new_pool(opaque=True)
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", syntax="proto3", dependency=[module.DESCRIPTOR.name for module in KNOWN])
    signature = _Messages(file).signature(node, ROOT, is_resource=is_resource)
    pool.Add(file)
    return cel.Type(signature), pool


class _Messages:
    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._file = file
        self._count = 0

    def signature(self, node: Node, name: str, *, is_resource: bool = False) -> str:
        """What the implementation calls the type of a variable."""
        if node.int_or_string:
            return "dyn"
        if node.type == "array" and node.items is not None:
            return f"list<{self.signature(node.items, f'{name}Item', is_resource=node.items.embedded)}>"
        if node.type == "object":
            if is_map(node) and node.additional is not None:
                return f"map<string, {self.signature(node.additional, f'{name}Value', is_resource=node.additional.embedded)}>"
            return self._message(node, name, is_resource=is_resource)
        return "bytes" if _format(node) == "byte" else FORMATS.get(_format(node)) or _NAMES.get(node.type, "dyn")

    def _message(self, node: Node, name: str, *, is_resource: bool) -> str:
        """Declares the message of an object and returns its name."""
        self._count += 1
        name = name if self._count == 1 else f"{name}{self._count}"
        message = self._file.message_type.add(name=name)
        for number, (field, child) in enumerate(fields_of(node, is_resource=is_resource).items(), 1):
            if (known := escaped(field)) is not None:
                self._declare(message, known, number, child)
        return name

    def _declare(self, message: descriptor_pb2.DescriptorProto, field: str, number: int, child: Node) -> None:
        # A name of its own in JSON: those that follow from the fields' names are not unique.
        declared = message.field.add(name=field, number=number, json_name=f"f{number}", label=_Field.LABEL_OPTIONAL)
        if child.type == "array" and not child.int_or_string and child.items is not None:
            declared.label = _Field.LABEL_REPEATED
            self._set_type(declared, child.items, f"{field}Item")
        elif is_map(child) and not child.int_or_string and child.additional is not None:
            declared.label = _Field.LABEL_REPEATED
            # The implementation of messages wants this very name for the entries of a map.
            entry = message.nested_type.add(name="".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
            self._set_type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), child.additional, f"{field}Value")
            declared.type, declared.type_name = _Field.TYPE_MESSAGE, f".{message.name}.{entry.name}"
        else:
            self._set_type(declared, child, field)

    def _set_type(self, declared: descriptor_pb2.FieldDescriptorProto, node: Node, name: str) -> None:
        if node.type in _SCALARS and not node.int_or_string and _format(node) not in FORMATS:
            declared.type = _Field.TYPE_BYTES if _format(node) == "byte" else _SCALARS[node.type]
            return
        declared.type = _Field.TYPE_MESSAGE
        if node.int_or_string or node.type not in ("array", "object", "string"):
            declared.type_name = f".{_ANYTHING}"
        elif node.type == "array":
            declared.type_name = f".{_LIST}"
        elif is_map(node):
            declared.type_name = f".{_MAP}"
        elif node.type == "object":
            declared.type_name = f".{self._message(node, f'{ROOT}_{name}', is_resource=node.embedded)}"
        else:
            declared.type_name = f".{FORMATS[node.format]}"


def _format(node: Node) -> str:
    return node.format if node.type == "string" else ""
