"""The fields of upstream's protobuf messages: number, JSON name, type.

They are in `fields.json`, a string a message, `1 name string, 2 spec *PodSpec, ...`, keyed by package and message; package and message
make the name of upstream's schema definition. A type without a prefix is held by value in upstream's structures, so that its zero
stands for an absent field; `*` is a pointer, whose zero is a value like any other; `[]` is a list, `{}` a map from strings. A message
of the same package is named without it. The name `.` is a message whose fields are its parent's in JSON. The file is read when the first
message is asked for, and a message's string is taken apart when the first body needs it.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from pilothouse.model.json import loads

INLINE = "."
SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "double", "time", "microTime", "quantity", "intOrString", "raw"})
_SHAPES = ("*", "[]", "{}")
_ELSEWHERE = {
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
"""The packages of the groups that are not in k8s.io/api, by the first part of the group."""
META = "io.k8s.apimachinery.pkg.apis.meta.v1"


class Field(NamedTuple):
    """shape: "", "*", "[]" or "{}". type: one of SCALARS or the definition's name of a message."""

    number: int
    name: str
    shape: str
    type: str


@cache
def packages() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = loads(files(__package__).joinpath("fields.json").read_bytes())
    return found


def is_known(definition: str) -> bool:
    package, _, name = definition.rpartition(".")
    return name in packages().get(package, {})


def definition_of(api_version: str, kind: str) -> str | None:
    """The definition of a built-in kind, or None. Upstream names its packages after the first part of the group."""
    group, _, version = api_version.rpartition("/")
    short, dot, domain = group.partition(".")
    if dot and not f".{domain}".endswith(".k8s.io"):
        return None
    base = _ELSEWHERE.get(short, f"io.k8s.api.{short or 'core'}")
    package = f"{base}.{version}"
    if kind == "DeleteOptions" and package in packages():
        package = META
    return f"{package}.{kind}" if kind in packages().get(package, {}) else None


def fields(definition: str) -> list[Field]:
    """The fields of a message; raises KeyError."""
    package, _, name = definition.rpartition(".")
    text = packages()[package][name]
    return [_field(part, package) for part in text.split(", ")] if text else []


def _field(text: str, package: str) -> Field:
    number, name, kind = text.split(" ")
    shape = next((each for each in _SHAPES if kind.startswith(each)), "")
    kind = kind[len(shape) :]
    return Field(int(number), name, shape, kind if kind in SCALARS or "." in kind else f"{package}.{kind}")
