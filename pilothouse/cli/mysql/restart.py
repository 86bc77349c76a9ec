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
    if instance["spec"].get("suspended"):
        return f"{name} is to have new passwords once it is resumed"
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

    The password before works on for a while (`spec.keepOldSeconds` of a user), so that nobody is kept out meanwhile. A bound app is
    rolled out with its account's new one.

    \b
    Examples:
      ph mysql rotate orders
      ph mysql rotate orders --user reports
    """
    run(_rotate(session, instance, user, namespace, change.How.of(dry_run, wait, timeout)))


async def _rotate(session: Session, name: str, user: str | None, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.accounts import first
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if user in (None, first(name)):
            await change.carry_out(client, instance, {"rotatedAt": _now()}, how, partial(_rotated, name), standing.unrotated)
        else:
            await _rotate_user(client, instance, user, how)


async def _rotate_user(client: "Client", instance: Object, user: str, how: change.How) -> None:
    """An account that a Binding made is changed through that, which rolls its app out with the new password."""
    from pilothouse.cli.binding.following import Following
    from pilothouse.cli.mysql.accounts import find_user, refused_rights, settle
    from pilothouse.cli.mysql.users import secret_of
    from pilothouse.platform.databases.resource import BINDINGS, MYSQL_USERS

    found = await find_user(client, instance, user)
    owner = meta.controller_of(found) or {}
    is_bound = owner.get("kind") == BINDINGS.kind
    resource, name = (BINDINGS, owner["name"]) if is_bound else (MYSQL_USERS, meta.name(found))
    kept = f"the password before works for {found['spec'].get('keepOldSeconds', 3600)} s more"
    if is_bound:
        kept = f"the app of binding {name} is rolled out with the new one; the password before works until a minute after it serves"
    output.note(f"  restarts: none\n  read-only: 0 s\n  {kept}\n  undo: there is none")
    patch = {"spec": {"rotatedAt": _now()}}
    written = await client.patch(resource, name, patch, namespace=meta.namespace(found), dry_run=how.dry_run)
    if how.dry_run:
        return
    if is_bound and how.timeout_s is not None:
        done = await Following(client, written, "rotated").rotated(how.timeout_s)
    else:
        done = await settle(client, resource, written, how.timeout_s, is_done=_is_rotated)
    if refused := refused_rights(done):
        output.note(f"as before, not all rights are carried out: {refused}")
    click.echo(f"the new password of {user} is in the Secret {secret_of(found)}")


def _is_rotated(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("rotatedAt") == obj["spec"].get("rotatedAt"))
