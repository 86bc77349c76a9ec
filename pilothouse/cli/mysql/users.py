"""`ph mysql users`: accounts of an instance, their rights and passwords."""

import re
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import asking, output
from pilothouse.cli.mysql import change, completing, values
from pilothouse.cli.mysql.accounts import find_user, first, gone, object_name, refuse, refused_rights, require_new, settle, state, troubles
from pilothouse.cli.mysql.restart import rotate
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")
_ON = re.compile(r"\*|[A-Za-z_][A-Za-z0-9_$-]{0,63}(\.[A-Za-z_][A-Za-z0-9_$-]{0,63})?")
USER = click.argument("user", shell_complete=completing.users)
ON = click.option("--on", default="*", show_default=True, metavar="DATABASE[.TABLE]", help="Of what; * for everything that people may use.")
_UNTOUCHED = "  restarts: none\n  read-only: 0 s"


@click.group()
def users() -> None:
    """List, add and remove accounts, and change their rights and passwords.

    Apps are given accounts of their own by `ph bind`.

    \b
    Examples:
      ph mysql users list orders
      ph mysql users add orders reports --grant SELECT --on orders
    """


def account(context: click.Context, param: click.Parameter, name: Any) -> Any:
    if not ACCOUNT.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name for an account: use at most 80 letters, digits, _, . and -, no digit first")
    return name


def privileges(context: click.Context, param: click.Parameter, text: Any) -> Any:
    """A callback: SELECT,INSERT as a list, in capitals."""
    found = [re.sub(r"\s+", " ", each.strip().upper()) for each in text.split(",")] if text is not None else []
    if bad := next((each for each in found if not re.fullmatch("[A-Z][A-Z ]{1,39}", each)), None):
        raise click.BadParameter(f"{bad!r} is no privilege: write those of GRANT with commas between, such as SELECT,INSERT, or ALL")
    return list(dict.fromkeys(found))


def place(on: str) -> str:
    if not _ON.fullmatch(on):
        raise click.BadParameter(f"{on!r} is no place of rights: write DATABASE, DATABASE.TABLE or *", param_hint="--on")
    return on


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


@users.command()
@values.INSTANCE
@USER
@click.argument("rights", metavar="PRIVILEGES", callback=privileges)
@ON
@change.operation(60)
@pass_session
def grant(
    session: Session, instance: str, user: str, rights: list[str], on: str, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Let an account do more.

    \b
    Examples:
      ph mysql users grant orders reports SELECT --on orders.items
      ph mysql users grant orders reports ALL
    """
    how = change.How.of(dry_run, wait, timeout)
    run(_regrant(session, instance, user, namespace, rights, place(on), how, taken=False))


@users.command()
@values.INSTANCE
@USER
@click.argument("rights", metavar="PRIVILEGES", callback=privileges)
@ON
@change.operation(60)
@pass_session
def revoke(
    session: Session, instance: str, user: str, rights: list[str], on: str, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Let an account do less: takes privileges away where they were given.

    \b
    Example:
      ph mysql users revoke orders reports SELECT --on orders.items
    """
    how = change.How.of(dry_run, wait, timeout)
    run(_regrant(session, instance, user, namespace, rights, place(on), how, taken=True))


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
    from pilothouse.cli.mysql.lookup import find_instance, in_server, users_of

    async with connected(session) as client:
        await find_instance(client, name, namespace)
        found = await users_of(client, name, namespace)
    if how != "table":
        output.document(found, how)
        return
    rows = [[in_server(each), granted(each), state(each), (each.get("status") or {}).get("secret")] for each in found]
    output.table(["user", "rights", "state", "secret"], [[first(name), f"ALL on {first(name)}", "the instance's own", name], *rows])
    for line in troubles(found):
        output.say(line)
    if not found:
        output.note(f"`{copyable(f'mysql users add {name} USER', namespace)}` adds another")


def granted(user: Object) -> str:
    """`SELECT, INSERT on orders; ALL on *`."""
    return "; ".join(f"{', '.join(each['privileges'])} on {each['target']}" for each in user["spec"].get("grants") or ()) or "nothing"


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
            output.note(f"{_UNTOUCHED}\n  undo: `ph mysql users remove {name} {user}`")
            output.document(made, "yaml")
            return
        found = await settle(client, MYSQL_USERS, await client.create(MYSQL_USERS, made), how.timeout_s)
        click.echo(f"{user} is an account of {name}; its password is in the Secret {secret_of(found)}")
        if refused := refused_rights(found):
            raise click.ClickException(f"{user} was not given all rights: {refused}")


def secret_of(user: Object) -> str:
    from pilothouse.cli.mysql.lookup import in_server

    spec = user["spec"]
    return str((user.get("status") or {}).get("secret") or spec.get("secret") or f"{spec['instance']}-{in_server(user)}")


def wanted(instance: str, user: str, namespace: str, options: dict[str, Any]) -> Object:
    grants = [{"privileges": options["grant"], "target": place(options["on"])}] if options["grant"] else []
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
        output.note(f"{_UNTOUCHED}\n  sessions of {user} end, and its password is gone\n  undo: there is none")
        if how.dry_run:
            return
        asking.confirm(f"Remove the account {user} of {name}?", yes=yes)
        await gone(client, MYSQL_USERS, found, how.timeout_s)
        click.echo(f"{user} is removed")


def refuse_bound(user: Object, name: str) -> None:
    """Raises ClickException for an account that a Binding made: it would be made anew."""
    owner = meta.controller_of(user) or {}
    if owner.get("kind") == "Binding":
        raise click.ClickException(f"{name} was made by the binding {owner['name']}: `ph unbind` takes it back with all that belongs to it")


async def _regrant(
    session: Session, name: str, user: str, namespace: str, rights: list[str], on: str, how: change.How, *, taken: bool
) -> None:
    from pilothouse.cli.mysql.lookup import find_instance
    from pilothouse.platform.databases.mysql.accounts.check import grant_faults
    from pilothouse.platform.databases.resource import MYSQL_USERS

    if not taken:
        refuse(grant_faults([{"privileges": rights, "target": on}]))
    async with connected(session) as client:
        found = await find_user(client, await find_instance(client, name, namespace), user)
        refuse_bound(found, user)
        has = found["spec"].get("grants") or []
        grants = without(has, rights, on) if taken else extended(has, rights, on)
        if grants == has:
            click.echo(f"{user} may do {granted(found)} on {name} already; nothing has changed")
            return
        reverse = f"ph mysql users {'grant' if taken else 'revoke'} {name} {user} {','.join(rights)} --on '{on}'"
        output.note(f"{_UNTOUCHED}\n  undo: `{reverse}`")
        # A revision that somebody else has written meanwhile is not overwritten.
        patch = {"metadata": {"resourceVersion": meta.resource_version(found)}, "spec": {"grants": grants}}
        written = await client.patch(MYSQL_USERS, meta.name(found), patch, namespace=namespace, dry_run=how.dry_run)
        if not how.dry_run:
            written = await settle(client, MYSQL_USERS, written, how.timeout_s)
            await _judge(client, found, written, taken=taken)
            click.echo(f"{user} may do {granted(written)}")


async def _judge(client: "Client", before: Object, after: Object, *, taken: bool) -> None:
    """Raises ClickException for rights that the server refuses as they are given, and leaves the account as it was before."""
    from pilothouse.platform.databases.resource import MYSQL_USERS

    refused = refused_rights(after)
    if not refused:
        return
    if taken or refused == refused_rights(before):
        output.note(f"as before, not all rights are carried out: {refused}")
        return
    patch = {"metadata": {"resourceVersion": meta.resource_version(after)}, "spec": {"grants": before["spec"].get("grants") or []}}
    await client.patch(MYSQL_USERS, meta.name(after), patch, namespace=meta.namespace(after))
    raise click.ClickException(f"the server refuses it, and the account is as before: {refused}")


def extended(grants: list[Object], rights: list[str], on: str) -> list[Object]:
    """The grants with these as well, one entry a place."""
    has = {each["target"]: each["privileges"] for each in grants}
    return _entries(has | {on: list(dict.fromkeys([*has.get(on, ()), *rights]))})


def without(grants: list[Object], rights: list[str], on: str) -> list[Object]:
    """The grants without these; raises ClickException for one that is not there."""
    has = {each["target"]: each["privileges"] for each in grants}
    if absent := [each for each in rights if each not in has.get(on, ())]:
        given = "; ".join(f"{', '.join(found)} on {where}" for where, found in has.items()) or "nothing"
        raise click.ClickException(f"{absent[0]} on {on} was not given: what was given is {given}")
    return _entries(has | {on: [each for each in has[on] if each not in rights]})


def _entries(by_place: dict[str, list[str]]) -> list[Object]:
    return [{"privileges": found, "target": where} for where, found in by_place.items() if found]
