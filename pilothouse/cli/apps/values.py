"""Option values that are checked where they are read, by the rules that the platform has for an App."""

from collections.abc import Callable
from typing import Any

import click

from pilothouse.cli.apps.wish import AUTO_PORT
from pilothouse.model.digits import natural
from pilothouse.platform.apps import check

_CHECKS: dict[str, Callable[[str], str]] = {
    "name": check.name,
    "host": check.host,
    "image": check.image,
    "health": check.health,
    "cpu": lambda text: check.quantity("cpu", text),
    "memory": lambda text: check.quantity("memory", text),
}
_NEVER_EMPTY = frozenset(["name", "image"])


def checked(kind: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback for an option of one or several values; "" passes where it takes a setting off."""

    def callback(context: click.Context, option: click.Parameter, value: Any) -> Any:
        for text in value if isinstance(value, tuple) else (value,):
            is_given = text is not None and (text != "" or kind in _NEVER_EMPTY)
            if is_given and (fault := _CHECKS[kind](text) or ("" if text else "an empty value is none")):
                raise click.BadParameter(fault, context, option)
        return value

    return callback


class _Port(click.ParamType[int]):
    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value in ("none", "0", 0):
            return 0
        if value in ("auto", AUTO_PORT):
            return AUTO_PORT
        number = natural(str(value)) or 0
        if 1 <= number <= 65535:
            return number
        self.fail(f"{value!r} is no port: use a number from 1 to 65535, `none` for an app without a port or `auto`", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "PORT|none|auto"


PORT = _Port()
