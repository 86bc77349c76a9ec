"""`ph mysql delete` and `protect`: an instance with its volumes, after a last backup, unless it is protected."""

import asyncio
import time
from typing import TYPE_CHECKING

import click

from pilothouse.cli import asking, output
from pilothouse.cli.mysql import change, standing, values
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, placed, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

POLL_S = 0.3


@click.command()
@values.INSTANCE
@NAMESPACE
@click.option("--off", is_flag=True, help="Take the protection away; a deletion that waits for it is carried out.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask, though a deletion waits.")
@pass_session
def protect(session: Session, instance: str, namespace: str, off: bool, yes: bool) -> None:
    """Keep an instance from being deleted by itself; new ones are protected.

    `kubectl delete` of a protected instance waits: it is carried out as soon as the protection goes.
    Whoever deletes its namespace deletes it all the same, without a last backup, and the backups that lie there.

    \b
    Examples:
      ph mysql protect orders
      ph mysql protect orders --off
    """
    run(_protect(session, instance, namespace, not off, yes))


@click.command()
@values.INSTANCE
@click.option("--no-final-backup", is_flag=True, help="Take no last backup.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@change.operation(3600)
@pass_session
def delete(
    session: Session, instance: str, no_final_backup: bool, yes: bool, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Delete an instance with its volumes and accounts, after a last backup. Its backups stay.

    \b
    Examples:
      ph mysql delete orders
      ph mysql delete orders --no-final-backup --yes
    """
    run(_delete(session, instance, namespace, no_final_backup, yes, change.How.of(dry_run, wait, timeout)))


async def _protect(session: Session, name: str, namespace: str, is_protected: bool, yes: bool) -> None:
    from pilothouse.cli.mysql.lookup import find_instance
    from pilothouse.platform.databases.resource import MYSQLS

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if meta.is_deleting(instance) and not is_protected:
            since = instance["metadata"]["deletionTimestamp"]
            output.note(f"{name} was asked to be deleted at {since}, which waits for its protection to go")
            asking.confirm(f"Delete {name} with all that is in it?", yes=yes)
        await client.patch(MYSQLS, name, {"spec": {"deletionProtection": is_protected}}, namespace=namespace)
    free = "is being deleted" if meta.is_deleting(instance) else "may be deleted"
    click.echo(f"{name} {'is protected from being deleted' if is_protected else free}")


async def _delete(session: Session, name: str, namespace: str, no_final_backup: bool, yes: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import databases_of, find_instance, in_server, users_of
    from pilothouse.cli.mysql.show import bound

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        refuse_protected(instance)
        if no_final_backup:
            instance["spec"]["finalBackup"] = False
        left = [*await users_of(client, name, namespace), *await databases_of(client, name, namespace)]
        own = [f"{each['kind']} {in_server(each)}" for each in left if not meta.controller_of(each)]
        for line in announced(instance, await bound(client, name, namespace), own):
            output.note(f"  {line}")
        if how.dry_run:
            return
        asking.confirm(f"Delete {name} with all that is in it?", yes=yes)
        await _remove(client, instance, no_final_backup, how)


def refuse_protected(instance: Object) -> None:
    if instance["spec"].get("deletionProtection", True):
        name = meta.name(instance)
        way = copyable(f"mysql protect {name} --off", meta.namespace(instance))
        raise click.ClickException(f"{name} is protected from being deleted; `{way}` takes the protection away")


def announced(instance: Object, apps: list[str], objects: list[str]) -> list[str]:
    """objects: those of its accounts and databases that are nobody else's to remove."""
    """What goes and what stays."""
    from pilothouse.cli.mysql.lookup import members

    names = [f"data-{member}" for member in members(instance)]
    last = standing.status(instance).get("lastBackup")
    has_data = bool(standing.status(instance).get("seeded"))
    final = "a last backup is taken first" if instance["spec"].get("finalBackup", True) else "no last backup is taken"
    kept = f"the backups that there are stay, the newest of {last}" if last else "there is no backup yet"
    lines = [f"goes: {', '.join(names)} with all that is in {'it' if len(names) == 1 else 'them'}; the Secret {meta.name(instance)}"]
    lines += ["goes: its MySQLUsers with their Secrets, and its MySQLDatabases"]
    lines += [f"stays: {kept}; {final}"] if has_data else ["it holds no data yet"]
    lines += [f"stays and counts for the next instance {meta.name(instance)}: {', '.join(objects)}"] if objects else []
    lines += [f"bound to it and left without a database: {', '.join(apps)}"] if apps else []
    return [
        *lines,
        "undo: restore a backup into a new instance" if last or instance["spec"].get("finalBackup", True) else "undo: there is none",
    ]


async def _remove(client: "Client", instance: Object, no_final_backup: bool, how: change.How) -> None:
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = meta.name(instance), meta.namespace(instance)
    if no_final_backup:
        await client.patch(MYSQLS, name, {"spec": {"finalBackup": False}}, namespace=namespace)
    begun = time.monotonic()
    await client.delete(MYSQLS, name, namespace, uid=meta.uid(instance))
    if how.timeout_s is None:
        click.echo(f"{name} is being deleted")
        return
    await _until_gone(client, instance, how.timeout_s)
    output.note(output.good(f"done after {time.monotonic() - begun:.1f} s"))
    click.echo(f"{name} is deleted")


async def _until_gone(client: "Client", instance: Object, timeout_s: float) -> None:
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace, waiting = meta.name(instance), meta.namespace(instance), output.Waiting()
    said = ""
    try:
        async with asyncio.timeout(timeout_s):
            while (found := await client.get_or_none(MYSQLS, name, namespace)) is not None and meta.uid(found) == meta.uid(instance):
                said = _stopped(found) or said
                waiting.show(f"{name}: {_doing(found)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise click.ClickException(f"{name} is being deleted and is not gone after {timeout_s:g} s: {said or 'it goes on'}") from error
    finally:
        waiting.clear()


def _doing(instance: Object) -> str:
    deleting = meta.condition(instance, "Deleting") or {}
    return deleting.get("message") or standing.sentence(instance) or "it is being deleted"


def _stopped(instance: Object) -> str:
    """Raises ClickException with what keeps it from going on, and the ways out."""
    deleting = meta.condition(instance, "Deleting") or {}
    if deleting.get("status") != "False":
        return str(deleting.get("message") or "")
    name, why = meta.name(instance), str(deleting.get("message") or deleting.get("reason") or "").rstrip(". ")
    raise click.ClickException(placed(f"{name} is not deleted: {why}", namespace=meta.namespace(instance)))
