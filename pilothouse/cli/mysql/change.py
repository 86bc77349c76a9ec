"""The way of every command that changes an instance: announce what it does, write it, wait, say what has happened."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import report, standing
from pilothouse.cli.session import NAMESPACE, copyable
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Announce restarts, seconds without writes and the way back, and stop: nothing is changed."
)
WAIT = click.option("--wait/--no-wait", default=True, help="Wait until it is so.")


def timeout(default_s: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--timeout", type=click.FloatRange(1), default=default_s, show_default=True, metavar="SECONDS", help="How long to wait."
    )


def operation(default_s: int = 300) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that all commands have which change an instance."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (timeout(default_s), WAIT, DRY_RUN, NAMESPACE):
            command = option(command)
        return command

    return decorated


@dataclass(frozen=True, slots=True)
class How:
    """timeout_s: None: do not wait."""

    dry_run: bool = False
    timeout_s: float | None = None

    @classmethod
    def of(cls, dry_run: bool, wait: bool, timeout: float) -> "How":
        return cls(dry_run, timeout if wait else None)


Done = Callable[[Object], str]
"""The result in a sentence, by the instance as it is then."""


async def carry_out(
    client: "Client", instance: Object, spec: Object, how: How, done: Done, lacking: Callable[[Object], str] = standing.lacking
) -> None:
    """spec: what of the spec becomes otherwise (a merge patch). lacking: what is waited for. Prints to standard output what `done` says."""
    from pilothouse.platform.databases.mysql.impact import impact
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = meta.name(instance), meta.namespace(instance)
    wanted = await client.patch(MYSQLS, name, {"spec": spec}, namespace=namespace, dry_run=True)
    is_same = wanted["spec"] == instance["spec"]
    refuse_faulty(wanted)
    told = impact(instance, wanted)
    if is_same:
        output.note(f"{name} is as asked for already; nothing has changed")
    else:
        for line in report.announced(told):
            output.note(f"  {line}")
    if how.dry_run:
        return
    if not is_same:
        wanted = await client.patch(MYSQLS, name, {"spec": spec}, namespace=namespace)
    if how.timeout_s is None:
        click.echo(f"{done(wanted)}, which is under way: `{copyable(f'mysql show {name}', namespace)}`" if not is_same else done(wanted))
        return
    await _finish(client, instance, told if not is_same else None, how.timeout_s, done, lacking)


def refuse_faulty(wanted: Object) -> None:
    """Raises ClickException for a spec that the API server takes and the operator would refuse."""
    from pilothouse.platform.databases.mysql.parameters.check import faults

    spec = wanted["spec"]
    if found := faults(spec.get("flavour", "mariadb"), spec.get("parameters") or {}):
        raise click.ClickException("; ".join(found))


async def _finish(client: "Client", before: Object, told: Any, timeout_s: float, done: Done, lacking: Callable[[Object], str]) -> None:
    from pilothouse.cli.mysql.following import Following

    begun = time.monotonic()
    following = Following(client, meta.name(before), meta.namespace(before))
    after = await following.until(lacking, timeout_s)
    if told is not None:
        for line in report.happened(told, before, after, following.unready_s):
            output.note(f"  {line}")
    output.note(output.good(f"done after {time.monotonic() - begun:.1f} s"))
    click.echo(done(after))
