"""`ph mysql users`: accounts of an instance, their rights and passwords."""

import re
from typing import Any

import click

from pilothouse.cli import asking, output
from pilothouse.cli.mysql import change, values
from pilothouse.cli.mysql.accounts import (
    UNTOUCHED,
    Table,
    find_user,
    first,
    gone,
    granted,
    listed,
    object_name,
    refuse,
    refuse_bound,
    refused_rights,
    require_new,
    settle,
    state,
    waiting_rights,
)
from pilothouse.cli.mysql.restart import rotate
from pilothouse.cli.mysql.rights import ON, USER, grant, privileges, revoke
from pilothouse.cli.mysql.verbs import Verbs
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")


@click.group(cls=Verbs)
def users() -> None:
    """List, add and remove accounts, and change their rights and passwords.

    Apps are given accounts of their own by `ph bind`.

    \b
    Examples:
      ph mysql users list orders
      ph mysql users add orders reports --grant SELECT --on orders
    """


users.add_command(grant)
users.add_command(revoke)


def account(context: click.Context, param: click.Parameter, name: Any) -> Any:
    if not ACCOUNT.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name for an account: use at most 80 letters, digits, _, . and -, no digit first")
    return name


@users.command(name="list")
@values.INSTANCE
@NAMESPACE
@output.OUTPUT
@pass_session
def list_(session: Session, instance: str, namespace: str, output: str) -> None:
    """List the accounts: the instance's own first, then those for people and apps, with what they may do.

    \b
    Example:
      ph mysql users list orders
    """
    run(_list(session, instance, namespace, output))


@users.command()
@values.INSTANCE
@click.argument("user", callback=account)
@click.option("--grant", callback=privileges, metavar="PRIVILEGES", help="What it may do, such as SELECT,INSERT or ALL (default: nothing).")
@ON
@click.option("--max-connections", type=click.IntRange(0, 100_000), help="At a time (default: 0, as many as the server takes).")
@click.option("--secret", metavar="NAME", help="The Secret with its password under the key `password`; made when it is not there.")
@change.operation(60)
@pass_session
def add(session: Session, /, instance: str, user: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **options: Any) -> None:
    """Add an account with a random password, which lies in a Secret.

    \b
    Examples:
      ph mysql users add orders reports --grant SELECT --on orders
      ph mysql users add orders admin --grant ALL
    """
    run(_add(session, instance, user, namespace, options, change.How.of(dry_run, wait, timeout)))


@users.command()
@values.INSTANCE
@USER
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@change.operation(60)
@pass_session
def remove(session: Session, instance: str, user: str, yes: bool, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Remove an account: it signs in no more. What it has made in databases stays.

    \b
    Example:
      ph mysql users remove orders reports
    """
    run(_remove(session, instance, user, namespace, yes, change.How.of(dry_run, wait, timeout)))


@users.command(name="rotate")
@values.INSTANCE
@USER
@change.operation(60)
@click.pass_context
def rotate_(context: click.Context, /, **options: Any) -> None:
    """Give an account a new password. The one before works on for a while.

    \b
    Example:
      ph mysql users rotate orders reports
    """
    context.invoke(rotate, **options)


async def _list(session: Session, name: str, namespace: str, how: str) -> None:
    from pilothouse.cli.mysql.lookup import in_server, users_of

    def row(user: Object) -> list[object]:
        return [in_server(user), granted(user), state(user), (user.get("status") or {}).get("secret")]

    own = [first(name), f"ALL on {first(name)}", "the instance's own", name]
    table = Table(["user", "rights", "state", "secret"], own, row, f"mysql users add {name} USER")
    await listed(session, name, namespace, how, users_of, table)


async def _add(session: Session, name: str, user: str, namespace: str, options: dict[str, Any], how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance, users_of
    from pilothouse.platform.databases.mysql.accounts.check import account_faults, grant_faults
    from pilothouse.platform.databases.resource import MYSQL_USERS

    made = wanted(name, user, namespace, options)
    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        way = copyable(f"mysql users grant {name} {user} PRIVILEGES", namespace)
        require_new(await users_of(client, name, namespace), "user", user, name, way)
        refuse([*account_faults(made, instance["spec"].get("flavour", "mariadb")), *grant_faults(made["spec"].get("grants") or ())])
        if how.dry_run:
            await client.create(MYSQL_USERS, made, dry_run=True)
            output.note(f"{UNTOUCHED}\n  undo: `ph mysql users remove {name} {user}`")
            output.document(made, "yaml")
            return
        found = await settle(client, MYSQL_USERS, await client.create(MYSQL_USERS, made), how.timeout_s)
        click.echo(f"{user} is an account of {name}; its password is in the Secret {secret_of(found)}")
        if waiting := waiting_rights(found):
            output.note(f"not all rights count yet: {waiting}")
        if refused := refused_rights(found):
            raise click.ClickException(f"{user} was not given all rights: {refused}")


def secret_of(user: Object) -> str:
    from pilothouse.cli.mysql.lookup import in_server

    spec = user["spec"]
    return str((user.get("status") or {}).get("secret") or spec.get("secret") or f"{spec['instance']}-{in_server(user)}")


def wanted(instance: str, user: str, namespace: str, options: dict[str, Any]) -> Object:
    grants = [{"privileges": options["grant"], "target": options["on"]}] if options["grant"] else []
    name = object_name(instance, user)
    given = {"grants": grants, "maxConnections": options["max_connections"], "secret": options["secret"] or name}
    spec = {"instance": instance, "name": user, **{key: value for key, value in given.items() if value}}
    return {
        "apiVersion": "databases.pilothouse.dev/v1",
        "kind": "MySQLUser",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


async def _remove(session: Session, name: str, user: str, namespace: str, yes: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance
    from pilothouse.platform.databases.resource import MYSQL_USERS

    async with connected(session) as client:
        found = await find_user(client, await find_instance(client, name, namespace), user)
        refuse_bound(found, user)
        output.note(f"{UNTOUCHED}\n  sessions of {user} end, and its password is gone\n  undo: there is none")
        if how.dry_run:
            return
        asking.confirm(f"Remove the account {user} of {name}?", yes=yes)
        await gone(client, MYSQL_USERS, found, how.timeout_s)
        click.echo(f"{user} is removed")
