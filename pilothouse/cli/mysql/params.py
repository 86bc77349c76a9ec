"""`ph mysql params`: the server's own settings."""

from collections.abc import Mapping
from functools import partial

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import change, completing, standing, values
from pilothouse.cli.mysql.verbs import Verbs
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object


@click.group(cls=Verbs)
def params() -> None:
    """Show and change the server's own settings.

    \b
    Examples:
      ph mysql params show orders
      ph mysql params set orders max_connections=300
      ph mysql params unset orders max_connections
    """


@params.command()
@values.INSTANCE
@NAMESPACE
@output.OUTPUT
@pass_session
def show(session: Session, instance: str, namespace: str, output: str) -> None:
    """Show the settings that were made, and which of them count only after a restart.

    \b
    Example:
      ph mysql params show orders
    """
    run(_show(session, instance, namespace, output))


@params.command(name="set")
@values.INSTANCE
@click.argument("given", metavar="NAME=VALUE...", nargs=-1, required=True, callback=values.parameters)
@change.operation()
@pass_session
def set_(session: Session, instance: str, given: dict[str, str], namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Make settings: those that the server can change while it runs count at once.

    \b
    Examples:
      ph mysql params set orders max_connections=300 long_query_time=0.5
      ph mysql params set orders innodb_log_file_size=268435456 --dry-run
    """
    run(_change(session, instance, given, namespace, change.How.of(dry_run, wait, timeout)))


@params.command()
@values.INSTANCE
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completing.parameters)
@change.operation()
@pass_session
def unset(session: Session, instance: str, names: tuple[str, ...], namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Take settings away: the server's default counts again.

    \b
    Example:
      ph mysql params unset orders max_connections
    """
    given = dict.fromkeys(values.parameter(each) for each in names)
    run(_change(session, instance, given, namespace, change.How.of(dry_run, wait, timeout)))


async def _change(session: Session, name: str, given: Mapping[str, str | None], namespace: str, how: change.How) -> None:
    """given: None takes a setting away."""
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        refuse_unset(instance, [key for key, value in given.items() if value is None])
        await change.carry_out(
            client, instance, {"parameters": merged(instance, given)}, how, partial(said, before=instance), standing.untuned
        )


def merged(instance: Object, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """A merge patch of the settings, by which none is left that has the name of one in another spelling, as manifests may have it."""
    from pilothouse.platform.databases.mysql.parameters.check import variable_name

    made = instance["spec"].get("parameters") or {}
    spelled = {key: None for key in made if variable_name(key) in given}
    return spelled | {key: value for key, value in given.items() if value is not None}


def refuse_unset(instance: Object, names: list[str]) -> None:
    from pilothouse.platform.databases.mysql.parameters.check import variable_name

    made = instance["spec"].get("parameters") or {}
    if absent := [key for key in names if key not in map(variable_name, made)]:
        known = f"it has {', '.join(sorted(made))}" if made else "none was made"
        raise click.ClickException(f"{absent[0]} is no setting that was made for {meta.name(instance)}: {known}")


def said(instance: Object, before: Object) -> str:
    """before: as it was. The members say a little later that they wait for a restart."""
    name, waiting = meta.name(instance), sorted({*pending(instance), *_late(before["spec"], instance["spec"])})
    made = instance["spec"].get("parameters") or {}
    shown = ", ".join(f"{key}={made[key]}" for key in sorted(made)) or "no settings of its own"
    later = f"; {', '.join(waiting)} counts after `{copyable(f'mysql restart {name}', meta.namespace(instance))}`" if waiting else ""
    return f"{name} has {shown}{later}"


def _late(before: Object, after: Object) -> list[str]:
    from pilothouse.platform.databases.mysql.parameters.check import need_restart

    return need_restart(after.get("flavour", "mariadb"), before.get("parameters") or {}, after.get("parameters") or {})


def pending(instance: Object) -> list[str]:
    """The settings that a member reads only at its next start."""
    members = standing.status(instance).get("members") or ()
    return sorted({each for member in members for each in member.get("pendingRestart") or ()})


def _counts(instance: Object, name: str) -> str:
    from pilothouse.platform.databases.mysql.parameters.check import variable_name

    refused = {each["name"]: each["message"] for each in standing.status(instance).get("refusedParameters") or ()}
    if variable_name(name) in refused:
        return f"not: {output.harmless(refused[variable_name(name)])}"
    return "after a restart" if variable_name(name) in pending(instance) else "now"


async def _show(session: Session, name: str, namespace: str, how: str) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
    made = instance["spec"].get("parameters") or {}
    rows = [{"name": key, "value": made[key], "counts": _counts(instance, key)} for key in sorted(made)]
    if how != "table":
        output.document(rows, how)
    elif rows:
        output.table(["name", "value", "counts"], [list(each.values()) for each in rows])
    else:
        output.note(f"no settings of its own: `{copyable(f'mysql params set {name} NAME=VALUE', namespace)}` makes one")
