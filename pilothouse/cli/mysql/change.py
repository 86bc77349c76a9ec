"""The way of every command that changes an instance: announce what it does, write it, wait, say what has happened."""

import time
from collections.abc import Callable, Mapping
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
    from pilothouse.platform.databases.pattern.impact import Impact

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
    """timeout_s: None: do not wait. output: `table` for sentences; else the instance as it is then, or what a dry run announces."""

    dry_run: bool = False
    timeout_s: float | None = None
    output: str = "table"

    @classmethod
    def of(cls, dry_run: bool, wait: bool, timeout: float, output: str = "table") -> "How":
        return cls(dry_run, timeout if wait else None, output)


Done = Callable[[Object], str]
"""The result in a sentence, by the instance as it is then."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A change: of what, what it was announced to do (None where nothing differs), and the servers that ran before."""

    before: Object
    told: "Impact | None"
    servers: standing.Servers


async def carry_out(
    client: "Client",
    instance: Object,
    spec: Object,
    how: How,
    done: Done,
    lacking: Callable[[Object], str] = standing.lacking,
    annotations: Mapping[str, str] | None = None,
) -> None:
    """spec: what of the spec becomes otherwise (a merge patch), with the annotations. lacking: what is waited for.

    Prints to standard output what `done` says.
    """
    from pilothouse.platform.databases.pattern.impact import Impact
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = meta.name(instance), meta.namespace(instance)
    patch = {"spec": spec, "metadata": {"annotations": dict(annotations or {})}}
    wanted = await client.patch(MYSQLS, name, patch, namespace=namespace, dry_run=True)
    refuse_faulty(wanted)
    told = _announced(instance, wanted)
    if how.dry_run:
        if how.output != "table":
            output.document(report.document(told or Impact()), how.output)
        return
    begun = Begun(instance, told, await _servers(client, instance))
    if told is not None:
        wanted = await client.patch(MYSQLS, name, patch, namespace=namespace)
    if how.timeout_s is not None:
        wanted = await _finish(client, begun, how.timeout_s, lacking)
    if how.output != "table":
        output.document(wanted, how.output)
    elif how.timeout_s is None and told is not None:
        click.echo(f"{done(wanted)}, which is under way: `{copyable(f'mysql show {name}', namespace)}`")
    else:
        click.echo(done(wanted))


def _announced(instance: Object, wanted: Object) -> "Impact | None":
    """Tells what the change will do; None where there is none."""
    from pilothouse.platform.databases.mysql.impact.change import impact

    if wanted["spec"] == instance["spec"]:
        output.note(f"{meta.name(instance)} is as asked for already; nothing has changed")
        return None
    told = impact(instance, wanted)
    for line in report.announced(told):
        output.note(f"  {line}")
    return told


def refuse_faulty(wanted: Object) -> None:
    """Raises ClickException for a spec that the API server takes and the operator would refuse."""
    from pilothouse.platform.databases.mysql.check import faults
    from pilothouse.platform.databases.mysql.types import MySQLSpec

    if found := faults(wanted, MySQLSpec.model_validate(wanted["spec"])):
        raise click.ClickException("; ".join(found))


async def _finish(client: "Client", change: Begun, timeout_s: float, lacking: Callable[[Object], str]) -> Object:
    from pilothouse.cli.mysql.following import Following

    begun = time.monotonic()
    following = Following(client, meta.name(change.before), meta.namespace(change.before))
    after = await following.until(lacking, timeout_s)
    if change.told is not None:
        restarted = standing.restarted(change.servers, await _servers(client, after))
        for line in report.happened(change.told, change.before, after, restarted, following.unready_s):
            output.note(f"  {line}")
    output.note(output.good(f"done after {time.monotonic() - begun:.1f} s"))
    return after


async def _servers(client: "Client", instance: Object) -> standing.Servers:
    """By the operator alone for a user who may not see pods."""
    from pilothouse.model.errors import Forbidden
    from pilothouse.model.kinds import PODS
    from pilothouse.platform.databases.mysql.labels import INSTANCE

    try:
        found = await client.list_all(PODS, meta.namespace(instance), label_selector=f"{INSTANCE}={meta.name(instance)}")
    except Forbidden:
        return standing.servers(instance, ())
    return standing.servers(instance, found.items)
