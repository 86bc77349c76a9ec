"""Durations as people write them: 30m, 12h, 2d."""

import re
from typing import Any

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from texts such as 30m, 12h and 2d."""
        found = re.fullmatch(r"(\d+)([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration such as 30m, 12h or 2d", param, ctx)
        return int(found[1]) * float(_SECONDS[found[2]])


class Lifetime(Duration):
    """A duration, or 0 for what has no end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return 0.0 if str(value) == "0" else super().convert(value, param, ctx)
