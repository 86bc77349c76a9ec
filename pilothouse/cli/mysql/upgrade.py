"""`ph mysql upgrade`: another version of the server, member by member, and the way back."""

import click

from pilothouse.cli.mysql import change, standing, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

BEFORE = "databases.pilothouse.dev/version-before"
"""Annotation: the version that an instance ran before its last upgrade by `ph`."""


@click.command()
@values.INSTANCE
@click.option("--version", type=values.VERSION, metavar="VERSION", help="The version to run, such as 10.11.19.")
@click.option("--undo", is_flag=True, help="Go back to the version before the last upgrade.")
@change.operation(900)
@pass_session
def upgrade(
    session: Session, instance: str, version: str | None, undo: bool, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Run another version of the server: replicas first, then a switchover, the old primary last.

    \b
    Examples:
      ph mysql upgrade orders --version 10.11.19
      ph mysql upgrade orders --undo
    """
    if (version is None) == (not undo):
        raise click.UsageError("say which version: --version VERSION, or --undo for the one before")
    run(_upgrade(session, instance, version, namespace, change.How.of(dry_run, wait, timeout)))


async def _upgrade(session: Session, name: str, version: str | None, namespace: str, how: change.How) -> None:
    """version: None for the one before."""
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        has = standing.status(instance).get("version") or ""
        wanted = version or before(instance)
        noted = {BEFORE: bare(has)} if has and not standing.is_version(has, wanted) else {}
        await change.carry_out(client, instance, {"version": wanted}, how, runs, annotations=noted)


def before(instance: Object) -> str:
    """Raises ClickException when it was not upgraded by `ph`."""
    found = meta.annotations(instance).get(BEFORE, "")
    if not found:
        raise click.ClickException(f"no version of {meta.name(instance)} before this one is known: name it with --version")
    return found


def bare(version: str) -> str:
    """10.11.18 of 10.11.18-MariaDB-0+deb12u1-log."""
    return version.partition("-")[0]


def runs(instance: Object) -> str:
    said, wanted = standing.status(instance).get("version") or "", instance["spec"].get("version") or ""
    name = meta.name(instance)
    return f"{name} runs {said}" if said and standing.is_version(said, wanted) else f"{name} is to run {wanted}"
