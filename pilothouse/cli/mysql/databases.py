"""`ph mysql databases`: databases (schemas) of an instance."""

import re
from typing import Any

import click

from pilothouse.cli import asking, output
from pilothouse.cli.mysql import change, completing, values
from pilothouse.cli.mysql.accounts import (
    UNTOUCHED,
    Table,
    find_database,
    first,
    gone,
    listed,
    object_name,
    refuse,
    require_new,
    settle,
    state,
)
from pilothouse.cli.mysql.verbs import Verbs
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object


@click.group(cls=Verbs)
def databases() -> None:
    """List, add and remove databases.

    \b
    Examples:
      ph mysql databases list orders
      ph mysql databases add orders archive
    """


def identifier(context: click.Context, param: click.Parameter, name: Any) -> Any:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$-]{0,63}", name):
        raise click.BadParameter(f"{name!r} is no name for a database: use at most 64 letters, digits, _, $ and -, no digit first")
    return name


@databases.command(name="list")
@values.INSTANCE
@NAMESPACE
@output.OUTPUT
@pass_session
def list_(session: Session, instance: str, namespace: str, output: str) -> None:
    """List the databases: the instance's own first, and those that were added.

    \b
    Example:
      ph mysql databases list orders
    """
    run(_list(session, instance, namespace, output))


@databases.command()
@values.INSTANCE
@click.argument("database", callback=identifier)
@click.option("--character-set", metavar="NAME", help="Of its texts (default: utf8mb4).")
@click.option("--collation", metavar="NAME", help="How they are ordered (default: the character set's own).")
@change.operation(60)
@pass_session
def add(
    session: Session, /, instance: str, database: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **options: Any
) -> None:
    """Add a database.

    \b
    Examples:
      ph mysql databases add orders archive
      ph mysql databases add orders legacy --character-set latin1
    """
    run(_add(session, wanted(instance, database, namespace, options), change.How.of(dry_run, wait, timeout)))


@databases.command()
@values.INSTANCE
@click.argument("database", shell_complete=completing.databases)
@click.option("--drop", is_flag=True, help="Its tables go as well, for good (default: they stay in the server).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@change.operation(60)
@pass_session
def remove(
    session: Session, instance: str, database: str, drop: bool, yes: bool, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Take a database out of the platform's care; with --drop, remove it with its tables.

    \b
    Examples:
      ph mysql databases remove orders archive
      ph mysql databases remove orders archive --drop
    """
    run(_remove(session, instance, database, namespace, drop, yes, change.How.of(dry_run, wait, timeout)))


async def _list(session: Session, name: str, namespace: str, how: str) -> None:
    from pilothouse.cli.mysql.lookup import databases_of, in_server

    def row(database: Object) -> list[object]:
        spec = database["spec"]
        fate = "yes" if spec.get("onDelete") == "drop" else "no"
        return [in_server(database), spec.get("characterSet"), spec.get("collation"), fate, state(database)]

    headings = ["database", "character set", "collation", "deleted with its object", "state"]
    own = [first(name), "utf8mb4", "", "no object", "the instance's own"]
    await listed(session, name, namespace, how, databases_of, Table(headings, own, row, f"mysql databases add {name} DATABASE"))


def wanted(instance: str, database: str, namespace: str, options: dict[str, Any]) -> Object:
    given = {"characterSet": options["character_set"], "collation": options["collation"]}
    return {
        "apiVersion": "databases.pilothouse.dev/v1",
        "kind": "MySQLDatabase",
        "metadata": {"name": object_name(instance, database), "namespace": namespace},
        "spec": {"instance": instance, "name": database, **{key: value for key, value in given.items() if value}},
    }


async def _add(session: Session, made: Object, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import databases_of, find_instance
    from pilothouse.platform.databases.mysql.accounts.check import database_faults
    from pilothouse.platform.databases.resource import MYSQL_DATABASES

    name, database, namespace = made["spec"]["instance"], made["spec"]["name"], made["metadata"]["namespace"]
    async with connected(session) as client:
        await find_instance(client, name, namespace)
        way = copyable(f"kubectl edit mysqldatabase {made['metadata']['name']}", namespace)
        require_new(await databases_of(client, name, namespace), "database", database, name, way)
        refuse(database_faults(made))
        if how.dry_run:
            await client.create(MYSQL_DATABASES, made, dry_run=True)
            output.note(f"{UNTOUCHED}\n  undo: `ph mysql databases remove {name} {database} --drop`")
            output.document(made, "yaml")
            return
        await settle(client, MYSQL_DATABASES, await client.create(MYSQL_DATABASES, made), how.timeout_s)
        click.echo(f"{database} is a database of {name}")
        way = copyable(f"mysql users add {name} {database} --grant ALL --on {database}", namespace)
        output.note(f"whoever is granted it may use it, and an app that is bound with --database {database}: `{way}`")


async def _remove(session: Session, name: str, database: str, namespace: str, drop: bool, yes: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance
    from pilothouse.platform.databases.resource import MYSQL_DATABASES

    async with connected(session) as client:
        found = await find_database(client, await find_instance(client, name, namespace), database)
        fate = "all its tables go, for good" if drop else "its tables stay in the server"
        reverse = "there is none" if drop else f"`ph mysql databases add {name} {database}`"
        output.note(f"{UNTOUCHED}\n  {fate}\n  undo: {reverse}")
        if how.dry_run:
            return
        asking.confirm(f"Remove the database {database} of {name}? {fate[0].upper()}{fate[1:]}.", yes=yes)
        patch = {"spec": {"onDelete": "drop" if drop else "keep"}}
        await client.patch(MYSQL_DATABASES, meta.name(found), patch, namespace=namespace)
        await gone(client, MYSQL_DATABASES, found, how.timeout_s)
        click.echo(f"{database} is {'removed' if drop else 'not looked after any more; its tables are there'}")
