"""`${NAME}` in a compose file, and the values that durations, sizes and lists of pairs have in it."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from pilothouse.model.digits import natural

MOST_NODES = 20_000
MOST_DEPTH = 50
_VARIABLE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\}|(\{))")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([bkmg]?)b?$", re.IGNORECASE)
_UNITS = {"": "", "b": "", "k": "Ki", "m": "Mi", "g": "Gi"}


class ComposeError(Exception):
    """One sentence: the service, the key, what is wrong and what would do."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """All strings of a document with their variables filled in. Raises ComposeError."""
    return _Filling(variables).filled(value)


class _Filling:
    """left: aliases may repeat parts of a document without end."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.left = MOST_NODES

    def filled(self, value: Any, depth: int = 0) -> Any:
        self.left -= 1
        if depth > MOST_DEPTH:
            raise ComposeError(f"the compose file has values more than {MOST_DEPTH} deep: an alias may stand in its own value")
        if self.left < 0:
            raise ComposeError(f"the compose file has more than {MOST_NODES} values: its aliases repeat too much")
        if isinstance(value, dict):
            return {str(key): self.filled(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, depth + 1) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        return _VARIABLE.sub(self._replaced, text)

    def _replaced(self, match: "re.Match[str]") -> str:
        if match[0] == "$$":
            return "$"
        if match[5]:
            raise ComposeError(f"the compose file has a `${{` that is not closed: {match.string[:80]}")
        name, operator, word = match[1] or match[2], match[3] or "", match[4] or ""
        value = self.variables.get(name)
        is_there = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return self.text(word) if is_there else ""
        if is_there:
            return value or ""
        if operator.endswith("?"):
            raise ComposeError(f"the variable {name} has to be set{f': {word}' if word else ''}")
        return self.text(word)


def env_file(text: str) -> dict[str, str]:
    """`NAME=value` lines as Compose reads them: comments, `export`, quotes."""
    found: dict[str, str] = {}
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip().removeprefix("export ").strip()
        name, equals, value = line.partition("=")
        if not line or line.startswith("#") or not equals:
            continue
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "\"'" and value.rfind(value[0]) > 0:
        inner = value[1 : value.rfind(value[0])]
        return inner.replace("\\n", "\n").replace('\\"', '"') if value[0] == '"' else inner
    return value.partition(" #")[0].strip()


def words(value: Any, where: str) -> list[str]:
    """A command as a list or as one line."""
    if isinstance(value, list):
        return [str(item) for item in value]
    try:
        return shlex.split(str(value))
    except ValueError as error:
        raise ComposeError(f"{where}: {value!r} has a quote that is not closed") from error


def pairs(value: Any, where: str) -> dict[str, str | None]:
    """A mapping, or a list of `NAME=value`; None for a name without a value."""
    if isinstance(value, dict):
        return {str(key): None if item is None else _plain(item) for key, item in value.items()}
    if not isinstance(value, list):
        raise ComposeError(f"{where} is neither a mapping nor a list")
    entries = (str(item).partition("=") for item in value)
    return {name: text if equals else None for name, equals, text in entries}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def mapping(value: Any, where: str) -> dict[str, Any]:
    """An absent or empty value as an empty one. Raises ComposeError."""
    if value and not isinstance(value, dict):
        raise ComposeError(f"{where} is no mapping: {_shown(value)}")
    return value or {}


def listed(value: Any, where: str) -> list[Any]:
    """An absent or empty value as an empty one. Raises ComposeError."""
    if value and not isinstance(value, list):
        raise ComposeError(f"{where} is no list: {_shown(value)}")
    return value or []


def whole(value: Any, where: str) -> int:
    """Raises ComposeError for what is no number from 0 on."""
    number = natural(str(value))
    if isinstance(value, bool) or number is None or number >= 10**9:
        raise ComposeError(f"{where} is no whole number: {_shown(value)}")
    return number


def _shown(value: Any) -> str:
    return repr(value)[:60]


def memory(value: Any, where: str) -> str:
    """A quantity as Kubernetes writes it: Compose's units are powers of 1,024."""
    found = _SIZE.match(str(value).strip())
    if found is None:
        raise ComposeError(f"{where}: {value!r} is no size: write it like 256m or 1g")
    return f"{found[1]}{_UNITS[found[2].lower()]}"
