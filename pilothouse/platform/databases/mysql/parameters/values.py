"""Values of settings, as a configuration file of the server has them."""

import re

from pilothouse.model.digits import natural
from pilothouse.platform.databases.mysql.parameters.catalogue import Variable

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SWITCH = {"ON": "ON", "1": "ON", "TRUE": "ON", "YES": "ON", "OFF": "OFF", "0": "OFF", "FALSE": "OFF", "NO": "OFF"}
_WORD = re.compile(r"[A-Za-z0-9_]{1,64}")
_ZONE = re.compile(r"SYSTEM|[+-](0?[0-9]|1[0-4]):[0-5][0-9]")
_FLAG = re.compile(r"([a-z_]+)=(on|off|default)|default")


class ValueFault(ValueError):
    """What is wrong with a value and what it could be, as a half sentence."""


def normal(variable: Variable, text: str) -> str:
    """The value as the server is told it, one spelling for each. Raises ValueFault."""
    return {
        "integer": _integer,
        "number": _number,
        "switch": _switch,
        "choice": _choice,
        "set": _set,
        "flags": _flags,
        "word": _word,
        "zone": _zone,
    }[variable.kind](variable, text.strip())


def _integer(variable: Variable, text: str) -> str:
    negative, body = text.startswith("-"), text.removeprefix("-")
    number = natural(body.rstrip("KMGTkmgt"))
    unit = body[len(body.rstrip("KMGTkmgt")) :].upper()
    if number is None or unit not in _SIZES:
        raise ValueFault("is no whole number, such as 100 or 64M")
    value = (-number if negative else number) * _SIZES[unit]
    _within(variable, value)
    return str(value)


def _number(variable: Variable, text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        raise ValueFault("is no number, such as 0.5")
    _within(variable, float(text))
    return text


def _within(variable: Variable, value: float) -> None:
    if variable.least is not None and value < variable.least:
        raise ValueFault(f"is below {variable.least:.15g}, the least there is")
    if variable.most is not None and value > variable.most:
        raise ValueFault(f"is above {variable.most:.15g}, the most there is")


def _switch(variable: Variable, text: str) -> str:
    if text.upper() not in _SWITCH:
        raise ValueFault("is neither ON nor OFF")
    return _SWITCH[text.upper()]


def _choice(variable: Variable, text: str) -> str:
    number = natural(text)
    if number is not None and number < len(variable.choices):
        return variable.choices[number]
    return _known(variable, text)


def _known(variable: Variable, text: str) -> str:
    for choice in variable.choices:
        if choice.upper() == text.upper():
            return choice
    raise ValueFault(f"is none of {', '.join(variable.choices)}")


def _set(variable: Variable, text: str) -> str:
    return ",".join(_known(variable, part.strip()) for part in text.split(",")) if text else ""


def _flags(variable: Variable, text: str) -> str:
    for part in text.split(","):
        found = _FLAG.fullmatch(part.strip())
        if found is None or (found[1] and found[1] not in variable.choices):
            raise ValueFault(f"has {part!r}, which is not FLAG=on or FLAG=off with one of {', '.join(variable.choices)}")
    return text.replace(" ", "")


def _word(variable: Variable, text: str) -> str:
    if _WORD.fullmatch(text) is None:
        raise ValueFault("is no name, such as utf8mb4")
    return text


def _zone(variable: Variable, text: str) -> str:
    if _ZONE.fullmatch(text) is None:
        raise ValueFault("is no offset, such as +01:00: the server knows no names of time zones")
    return text
