"""`ph mysql users grant` and `revoke`: what an account may do."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import change, completing, values
from pilothouse.cli.mysql.accounts import UNTOUCHED, find_user, granted, refuse, refuse_bound, refused_rights, settle, waiting_rights
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

_ON = re.compile(r"\*|[A-Za-z_][A-Za-z0-9_$-]{0,63}(\.[A-Za-z_][A-Za-z0-9_$-]{0,63})?")
USER = click.argument("user", shell_complete=completing.users)


def privileges(context: click.Context, param: click.Parameter, text: Any) -> Any:
    """A callback: SELECT,INSERT as a list, in capitals."""
    found = [re.sub(r"\s+", " ", each.strip().upper()) for each in text.split(",")] if text is not None else []
    if bad := next((each for each in found if not re.fullmatch("[A-Z][A-Z ]{1,39}", each)), None):
        raise click.BadParameter(f"{bad!r} is no privilege: write those of GRANT with commas between, such as SELECT,INSERT, or ALL")
    return list(dict.fromkeys(found))


def place(context: click.Context, param: click.Parameter, on: Any) -> Any:
    """A callback: where rights are given."""
    if not _ON.fullmatch(on):
        raise click.BadParameter(f"{on!r} is no place of rights: write DATABASE, DATABASE.TABLE or *")
    return on


ON = click.option(
    "--on",
    default="*",
    show_default=True,
    callback=place,
    metavar="DATABASE[.TABLE]",
    help="Of what; * for everything that people may use.",
)


def _changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """What both commands are given."""
    rights = click.argument("rights", metavar="PRIVILEGES", callback=privileges)
    for option in (pass_session, change.operation(60), ON, rights, USER, values.INSTANCE):
        command = option(command)
    return command


@click.command()
@_changing
def grant(session: Session, /, **given: Any) -> None:
    """Let an account do more.

    A right on a table that is not there yet counts as soon as it is.

    \b
    Examples:
      ph mysql users grant orders reports SELECT --on orders.items
      ph mysql users grant orders reports ALL
    """
    run(_regrant(session, **given, taken=False))


@click.command()
@_changing
def revoke(session: Session, /, **given: Any) -> None:
    """Let an account do less: takes privileges away where they were given.

    \b
    Example:
      ph mysql users revoke orders reports SELECT --on orders.items
    """
    run(_regrant(session, **given, taken=True))


async def _regrant(
    session: Session,
    *,
    instance: str,
    user: str,
    rights: list[str],
    on: str,
    namespace: str,
    dry_run: bool,
    wait: bool,
    timeout: float,
    taken: bool,
) -> None:
    """taken: whether the rights are taken away."""
    from pilothouse.cli.mysql.lookup import find_instance
    from pilothouse.platform.databases.mysql.accounts.check import grant_faults
    from pilothouse.platform.databases.resource import MYSQL_USERS

    how = change.How.of(dry_run, wait, timeout)
    if not taken:
        refuse(grant_faults([{"privileges": rights, "target": on}]))
    async with connected(session) as client:
        found = await find_user(client, await find_instance(client, instance, namespace), user)
        refuse_bound(found, user)
        has = found["spec"].get("grants") or []
        grants = without(has, rights, on) if taken else extended(has, rights, on)
        if grants == has:
            click.echo(f"{user} may do {granted(found)} on {instance} already; nothing has changed")
            return
        reverse = f"ph mysql users {'grant' if taken else 'revoke'} {instance} {user} {','.join(rights)} --on '{on}'"
        output.note(f"{UNTOUCHED}\n  undo: `{reverse}`")
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

    if waiting := waiting_rights(after):
        output.note(f"not all rights count yet: {waiting}")
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
