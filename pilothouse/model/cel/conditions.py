"""Conditions about a request: whether something that watches over requests is concerned with this one.

Source: apiserver/pkg/admission/plugin/{cel,webhook/matchconditions}: `object`, `oldObject`, `request` and `authorizer` are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2

from pilothouse.model.cel.check import checked
from pilothouse.model.cel.environment import checking
from pilothouse.model.cel.errors import RuleProblem
from pilothouse.model.cel.functions.authorization import Authorizer, asking, request_resource
from pilothouse.model.cel.functions.formats import with_optionals
from pilothouse.model.cel.messages import AUTHORIZER, KNOWN, RESOURCE_CHECK, make, new_pool
from pilothouse.model.cel.program import Program
from pilothouse.model.cel.source import with_known_macros
from pilothouse.model.cel.values import weigh
from pilothouse.model.json import Object

_Field = descriptor_pb2.FieldDescriptorProto
_TEXT = _Field.TYPE_STRING
_REQUEST = "kubernetes.AdmissionRequest"
_VARIABLES = ("object", "oldObject", "request", "authorizer")
_REQUEST_RESOURCE = "authorizer.requestResource"
_ANY = ".google.protobuf.Value"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What conditions see. object, old: with apiVersion and kind, None where there is none.

    request: the `request` of an AdmissionReview (kind, resource, subResource, requestKind, requestResource, requestSubResource, name,
    namespace, operation, userInfo, dryRun, options). authorizer: asked about the user of the request.
    """

    object: Object | None
    old: Object | None
    request: Object
    authorizer: Authorizer

    def variables(self) -> Mapping[str, Any]:
        resource = self.request.get("resource") or {}
        asked = request_resource(
            resource.get("group", ""),
            resource.get("resource", ""),
            self.request.get("subResource", ""),
            self.request.get("namespace", ""),
            self.request.get("name", ""),
        )
        return {
            "object": self.object,
            "oldObject": self.old,
            "request": self.request,
            "authorizer": make(AUTHORIZER),
            _REQUEST_RESOURCE: asked,
        }


class Condition:
    """Compiled by `compile_condition`."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def holds(self, admitted: Admitted) -> bool:
        """Raises EvaluationFailed, BudgetExceeded."""
        weight = weigh([admitted.object, admitted.old, admitted.request])
        with asking(admitted.authorizer):
            return bool(self._program.run(admitted.variables(), weight))


@cache
def _checking() -> cel.Env:
    pool = new_pool(opaque=True)
    pool.Add(_request_type())
    types = {
        "object": cel.Type.DYN,
        "oldObject": cel.Type.DYN,
        "request": cel.Type(_REQUEST),
        "authorizer": cel.Type(AUTHORIZER),
        _REQUEST_RESOURCE: cel.Type(RESOURCE_CHECK),
    }
    return checking(types, pool)


def compile_condition(text: str) -> Condition:
    """Raises RuleProblem: `compilation failed: ...`, or that it is no bool."""
    text = with_optionals(with_known_macros(text))
    type, tree = checked(text, _checking())
    if type != cel.Type.BOOL:
        raise RuleProblem(f"must evaluate to bool but got {type.name().lower()}")
    return Condition(Program(text, tree, (*_VARIABLES, _REQUEST_RESOURCE)))


def _request_type() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="admission.proto", package="kubernetes", syntax="proto3")
    file.dependency.extend(module.DESCRIPTOR.name for module in KNOWN)
    kind, resource = ("group", "version", "kind"), ("group", "version", "resource")
    for name, fields in (("GroupVersionKind", kind), ("GroupVersionResource", resource)):
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, field)
    user = file.message_type.add(name="UserInfo")
    for field in ("username", "uid"):
        _add(user, field)
    _add(user, "groups").label = _Field.LABEL_REPEATED
    extra = user.nested_type.add(name="ExtraEntry")
    extra.options.map_entry = True
    _add(extra, "key")
    _add(extra, "value", ".google.protobuf.ListValue")
    _add(user, "extra", ".kubernetes.UserInfo.ExtraEntry").label = _Field.LABEL_REPEATED
    request = file.message_type.add(name="AdmissionRequest")
    for field in ("uid", "subResource", "requestSubResource", "name", "namespace", "operation"):
        _add(request, field)
    for field in ("kind", "requestKind"):
        _add(request, field, ".kubernetes.GroupVersionKind")
    for field in ("resource", "requestResource"):
        _add(request, field, ".kubernetes.GroupVersionResource")
    _add(request, "userInfo", ".kubernetes.UserInfo")
    _add(request, "dryRun").type = _Field.TYPE_BOOL
    _add(request, "options", _ANY)
    return file


def _add(message: descriptor_pb2.DescriptorProto, name: str, of: str = "") -> descriptor_pb2.FieldDescriptorProto:
    """of: the message type of the field, "" for a text."""
    number = len(message.field) + 1
    return message.field.add(
        name=name, number=number, type=_Field.TYPE_MESSAGE if of else _TEXT, type_name=of or None, label=_Field.LABEL_OPTIONAL
    )
