"""`--volume NAME:PATH[:SIZE][:OPTION,...]` as a part of an App's spec."""

import click

from pilothouse.model.json import Object
from pilothouse.platform.apps import check
from pilothouse.platform.apps.volumes import check as volumes
from pilothouse.platform.apps.volumes.claims import ONE_NODE
from pilothouse.platform.apps.volumes.spec import SHARED

METAVAR = "NAME:PATH[:SIZE][:OPTION,...]"
_WORDS: dict[str, Object] = {
    "ro": {"readOnly": True},
    "rw": {"readOnly": False},
    "rwo": {"accessMode": ONE_NODE},
    "rwx": {"accessMode": SHARED},
}
_VALUES = {"claim": "claim", "class": "storageClass"}
_OPTIONS = "ro, rw, rwx, claim=NAME, class=NAME, process=NAME"


def volumes_of(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Object]:
    """By name, the fields that were given. Raises BadParameter with a way out."""
    found: dict[str, Object] = {}
    for text in values:
        try:
            name, given = parsed(text)
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from error
        if name in found:
            raise click.BadParameter(f"volume {name} is given twice: leave one out", context, option)
        found[name] = given
    return found


def names_of(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for text in values:
        if fault := volumes.name(text):
            raise click.BadParameter(fault, context, option)
    return values


def parsed(text: str) -> tuple[str, Object]:
    """Name and fields. Raises ValueError with a sentence."""
    name, *rest = text.split(":")
    if not rest or not rest[0]:
        raise ValueError(_no_place(text, name))
    if name.startswith(("/", ".", "~")):
        raise ValueError(
            f"{name!r} is a folder of this machine, which replicas cannot have: write a name, such as data:{rest[0]}, and copy files "
            "in with `ph kubectl cp`, or have them in the image"
        )
    given: Object = {"path": rest[0]}
    for part in rest[1:]:
        given |= _size(part) if part[:1].isdigit() else _options(part, given)
    if fault := volumes.name(name) or volumes.path(given["path"]):
        raise ValueError(fault)
    return name, given


def _no_place(text: str, name: str) -> str:
    if name.startswith("/"):
        return f"{text!r} has no name: write NAME:PATH, such as data:{name}"
    return f"{text!r} says no place: write NAME:PATH[:SIZE], such as {name or 'data'}:/{name or 'data'}:2Gi"


def _size(text: str) -> Object:
    if fault := check.quantity("storage", text):
        raise ValueError(fault)
    return {"size": text}


def _options(text: str, given: Object) -> Object:
    found: Object = {}
    for word in text.split(","):
        key, equals, value = word.partition("=")
        if word in _WORDS:
            found |= _WORDS[word]
        elif equals and value and key in _VALUES:
            found[_VALUES[key]] = value
        elif equals and value and key == "process":
            named: list[str] = found.get("processes") or given.get("processes") or []
            found["processes"] = [*named, value]
        else:
            raise ValueError(f"{word!r} is neither a size, such as 2Gi, nor one of the options {_OPTIONS}")
    return found


def merged(before: Object, given: Object) -> Object:
    """A volume's fields as they are, with those that were given; what says nothing is left out."""
    found = before | given
    if given.get("claim"):
        # It has a size, mode and class of its own.
        found = {key: value for key, value in found.items() if key in given or key not in ("size", "accessMode", "storageClass")}
    return {key: value for key, value in found.items() if value not in (None, "", [], False)}
