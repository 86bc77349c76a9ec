"""`ph scale APP --min --max`: what is asked for, as the App's `autoscale`, and how it is told."""

from collections.abc import Mapping

import click

from pilothouse.model.digits import natural
from pilothouse.model.json import Object

MOST = 10_000


class _Percent(click.ParamType[int]):
    """`70%`, or `70`."""

    name = "percent"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = natural(str(value).removesuffix("%"))
        if found is None or not 0 < found <= 1000:
            self.fail(f"{value!r} is no share: write it in percent, such as 70%", param, ctx)
        return found


PERCENT = _Percent()


def single_app(targets: tuple[str, ...]) -> str:
    """Whose `web` process is to scale with its load."""
    name = targets[0].partition("=")[0]
    if targets == (name,):
        return name
    if "=" in targets[0] or any("=" in text for text in targets):
        raise click.UsageError(f"the load decides, or a number does: ph scale {name} --max 10, or ph scale {name}=3")
    raise click.UsageError(f"--min, --max, --cpu and --memory are for the process web of one app: ph scale {name} --max 10")


def autoscaled(app: Object, stated: Mapping[str, int]) -> Object:
    """The change of the spec; what is not stated stays as it is. Raises ClickException for what makes no sense."""
    from pilothouse.model import meta
    from pilothouse.platform.apps import autoscale

    spec = app["spec"]
    wanted = (spec.get("autoscale") or {}) | dict(stated)
    if "max" not in wanted:
        raise click.ClickException(f"up to how many replicas may {meta.name(app)} have? Say it with --max, such as --max 10")
    wanted = {"min": 1} | wanted
    if wanted.get("cpu") is None and wanted.get("memory") is None:
        wanted["cpu"] = autoscale.DEFAULT_CPU
    if faults := list(autoscale.faults(app | {"spec": spec | {"autoscale": wanted}})):
        raise click.ClickException(faults[0])
    # An app that is scaled to 0 has been switched off, and its autoscaler would leave it so.
    return {"autoscale": wanted, "replicas": min(max(spec.get("replicas", 1), wanted["min"]), wanted["max"])}


def shown(asked: Object) -> str:
    """`2 to 10 replicas by CPU at 70%`."""
    by = " and ".join(f"{what} at {asked[name]}%" for name, what in (("cpu", "CPU"), ("memory", "memory")) if asked.get(name))
    return f"{asked.get('min', 1)} to {asked['max']} replicas" + (f" by {by}" if by else "")
