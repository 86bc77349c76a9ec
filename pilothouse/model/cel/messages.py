"""Types that Kubernetes adds to the language, as protocol buffer messages: values of each are told apart and compared like any others.

Functions take and give messages of `CLASSES`. Rules are checked against messages of the same names without fields, so that no rule
reads what an implementation keeps in them. Source of the names: apiserver/pkg/cel and apiserver/pkg/cel/library.
"""

from collections.abc import Iterable
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _MESSAGE = _Field.TYPE_STRING, _Field.TYPE_MESSAGE

QUANTITY, URL, SEMVER, FORMAT = "kubernetes.Quantity", "kubernetes.URL", "kubernetes.Semver", "kubernetes.NamedFormat"
IP, CIDR = "net.IP", "net.CIDR"
VALUE = "kubernetes.Value"
"""Stands for any of these types where they are not told apart."""
AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION = (
    f"kubernetes.authorization.{name}" for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
_RESOURCE = ("account", "group", "resource", "subresource", "namespace", "name", "fields", "labels")
_KEPT: dict[str, tuple[str, ...]] = {
    QUANTITY: ("amount",),
    URL: ("text",),
    SEMVER: ("text",),
    FORMAT: ("name",),
    IP: ("text",),
    CIDR: ("text",),
    AUTHORIZER: ("account",),
    PATH_CHECK: ("account", "path"),
    GROUP_CHECK: ("account", "group"),
    RESOURCE_CHECK: _RESOURCE,
    DECISION: ("allowed", "reason", "error"),
    VALUE: (),
}
"""What a value of each keeps, all of it texts. account: `NAMESPACE:NAME` of a service account that is asked about, "" for the user."""

KNOWN = (struct_pb2, timestamp_pb2, duration_pb2)
"""Modules of well-known types, which every pool has."""


def new_pool(*, opaque: bool) -> DescriptorPool:
    """opaque: without the fields of Kubernetes' types."""
    pool = DescriptorPool()
    for module in KNOWN:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    for package in sorted({name.rpartition(".")[0] for name in _KEPT}):
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        for name, fields in _KEPT.items():
            if name.rpartition(".")[0] == package:
                _declare(file, name.rpartition(".")[2], () if opaque else fields)
        pool.Add(file)
    return pool


def _declare(file: descriptor_pb2.FileDescriptorProto, name: str, fields: Iterable[str]) -> None:
    message = file.message_type.add(name=name)
    for number, field in enumerate(fields, 1):
        message.field.add(name=field, number=number, type=_STRING, label=_Field.LABEL_OPTIONAL)


POOL = new_pool(opaque=False)
_CLASSES: dict[str, Any] = {name: GetMessageClass(POOL.FindMessageTypeByName(name)) for name in _KEPT}


def type_of(name: str) -> cel.Type:
    return cel.Type(name)


def make(type: str, /, **kept: str) -> Any:
    """A value of one of Kubernetes' types."""
    return _CLASSES[type](**kept)


def changed(value: Any, /, **kept: str) -> Any:
    """A copy of a value with some of what it keeps replaced."""
    fresh = type(value)()
    fresh.CopyFrom(value)
    for field, text in kept.items():
        setattr(fresh, field, text)
    return fresh
