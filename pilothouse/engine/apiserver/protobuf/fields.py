"""The field numbers of upstream's protobuf messages, read from `fields.txt` when they are first needed."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

_SHORT = {"meta/": "io.k8s.apimachinery.pkg.apis.meta.v1.", "machinery/": "io.k8s.apimachinery.pkg."}
_SCALARS = frozenset({"string", "int32", "int64", "bool", "bytes", "double"})


class Field(NamedTuple):
    """type: a scalar's name or a message's. inline: its fields belong into the object that holds it."""

    name: str
    type: str
    repeated: bool = False
    mapped: bool = False
    inline: bool = False


Message = dict[int, Field]


def is_scalar(type: str) -> bool:
    return type in _SCALARS


def full_name(short: str) -> str:
    for prefix, full in _SHORT.items():
        if short.startswith(prefix):
            return full + short.removeprefix(prefix)
    return f"io.k8s.api.{short}"


@cache
def messages() -> dict[str, Message]:
    """All messages by the name of their OpenAPI definition."""
    text = files(__package__).joinpath("fields.txt").read_text()
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {full_name(words[0]): dict(_field(word) for word in words[1:]) for words in lines}


def _field(word: str) -> tuple[int, Field]:
    name, number, type = word.split(":", 2)
    repeated, mapped = type.startswith("*"), type.startswith("{}")
    bare = type.removeprefix("*").removeprefix("{}")
    return int(number), Field(name, bare if is_scalar(bare) else full_name(bare), repeated, mapped, name == "^")
