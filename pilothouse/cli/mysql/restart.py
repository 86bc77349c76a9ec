"""`ph mysql restart` and `rotate`: servers started anew one by one, passwords made anew."""

import time
from functools import partial
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import change, completing, standing, values
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client


@click.command()
@values.INSTANCE
@change.operation(600)
@pass_session
def restart(session: Session, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Start the members' servers anew, one by one and the primary last, after another member has taken over.

    \b
    Examples:
      ph mysql restart orders
      ph mysql restart orders --dry-run
    """
    run(_restart(session, instance, namespace, change.How.of(dry_run, wait, timeout)))


async def _restart(session: Session, name: str, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance, require_running

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        require_running(instance)
        await change.carry_out(client, instance, {"restartedAt": _now()}, how, partial(_restarted, name), standing.unrestarted)


def _restarted(name: str, instance: Object) -> str:
    return f"{name} is {'to be ' if standing.unrestarted(instance) else ''}restarted"


def _rotated(name: str, instance: Object) -> str:
    return f"{name} {'is to have' if standing.unrotated(instance) else 'has'} new passwords"


def _now() -> str:
    return meta.rfc3339_micro(time.time())


@click.command()
@values.INSTANCE
@click.option("--user", metavar="USER", shell_complete=completing.users, help="This account's password, instead of the instance's own.")
@change.operation()
@pass_session
def rotate(session: Session, instance: str, user: str | None, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Give an instance's own accounts, or one of its users, new passwords. The new one lies in the same Secret.

    The password before works on for a while (`spec.keepOldSeconds` of a user), so that nobody is kept out meanwhile. Accounts of bound
    apps are changed by `rotatedAt` of the Binding, which rolls the app out as well.

    \b
    Examples:
      ph mysql rotate orders
      ph mysql rotate orders --user reports
    """
    run(_rotate(session, instance, user, namespace, change.How.of(dry_run, wait, timeout)))


async def _rotate(session: Session, name: str, user: str | None, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if user is None:
            await change.carry_out(client, instance, {"rotatedAt": _now()}, how, partial(_rotated, name), standing.unrotated)
        else:
            await _rotate_user(client, instance, user, how)


async def _rotate_user(client: "Client", instance: Object, user: str, how: change.How) -> None:
    from pilothouse.cli.mysql.accounts import find_user, settle
    from pilothouse.platform.databases.resource import MYSQL_USERS

    found = await find_user(client, instance, user)
    patch = {"spec": {"rotatedAt": _now()}}
    kept = found["spec"].get("keepOldSeconds", 3600)
    output.note(f"  restarts: none\n  read-only: 0 s\n  the password before works for {kept} s more\n  undo: there is none")
    written = await client.patch(MYSQL_USERS, meta.name(found), patch, namespace=meta.namespace(found), dry_run=how.dry_run)
    if how.dry_run:
        return
    written = await settle(client, MYSQL_USERS, written, how.timeout_s, is_done=_is_rotated)
    secret = (written.get("status") or {}).get("secret") or f"{meta.name(instance)}-{user}"
    click.echo(f"the new password of {user} is in the Secret {secret}")


def _is_rotated(user: Object) -> bool:
    return bool((user.get("status") or {}).get("rotatedAt") == user["spec"].get("rotatedAt"))
