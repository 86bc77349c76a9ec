"""`ph mysql switchover`, `failover` and `reseed`: another primary, and a replica that is copied anew."""

import time
from functools import partial

import click

from pilothouse.cli import asking
from pilothouse.cli.mysql import change, completing, standing, values
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

TO = click.option("--to", metavar="MEMBER", shell_complete=completing.members, help="Which one (default: the one that lags least).")


@click.command()
@values.INSTANCE
@TO
@change.operation(120)
@pass_session
def switchover(session: Session, instance: str, to: str | None, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Make another member the primary while the old one works, without losing a transaction.

    \b
    Examples:
      ph mysql switchover orders
      ph mysql switchover orders --to orders-1
    """
    run(_switchover(session, instance, to, namespace, change.How.of(dry_run, wait, timeout)))


@click.command()
@values.INSTANCE
@TO
@click.option("--force", is_flag=True, help="Do not ask whether what only the old primary has may be lost.")
@change.operation(120)
@pass_session
def failover(
    session: Session, instance: str, to: str | None, force: bool, namespace: str, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Make another member the primary although the old one is gone, where that has not happened by itself.

    A primary that fails is replaced within seconds as long as a replica is known to have all that was acknowledged. This command is for
    when none is: what only the old primary has is given up.

    \b
    Examples:
      ph mysql failover orders
      ph mysql failover orders --to orders-2 --force
    """
    run(_failover(session, instance, to, namespace, force, change.How.of(dry_run, wait, timeout)))


@click.command()
@values.INSTANCE
@click.argument("member", shell_complete=completing.members)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@change.operation(3600)
@pass_session
def reseed(session: Session, instance: str, member: str, yes: bool, namespace: str, dry_run: bool, wait: bool, timeout: float) -> None:
    """Throw a replica's data away and copy the primary's: for one that has what the primary has not, or cannot follow it.

    \b
    Example:
      ph mysql reseed orders orders-2
    """
    run(_reseed(session, instance, member, namespace, yes, change.How.of(dry_run, wait, timeout)))


async def _reseed(session: Session, name: str, member: str, namespace: str, yes: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance, require_member

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if require_member(instance, member) == standing.status(instance).get("primary"):
            raise click.ClickException(f"{member} is the primary, and its data is what the others are copied from")
        if not how.dry_run:
            asking.confirm(f"Throw away the data of {member} and copy the primary's?", yes=yes)
        spec = {"reseed": {"member": member, "at": meta.rfc3339_micro(time.time())}}
        lacking = partial(_uncopied, member, _started(instance, member))
        await change.carry_out(client, instance, spec, how, lambda found: f"{member} is being copied anew", lacking)


def _started(instance: Object, member: str) -> str:
    found = next((each for each in standing.status(instance).get("members") or () if each["name"] == member), Object())
    return str(found.get("startedAt") or "")


def _uncopied(member: str, started: str, instance: Object) -> str:
    """started: when its server was started before; a copy ends with a server that is started anew."""
    is_begun = not started or _started(instance, member) not in ("", started)
    return standing.lacking(instance) or ("" if is_begun else f"{member} is being copied")


async def _switchover(session: Session, name: str, to: str | None, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        target = target_of(instance, to)
        await change.carry_out(client, instance, _asked(target), how, partial(moved, instance), standing.unmoved)


async def _failover(session: Session, name: str, to: str | None, namespace: str, force: bool, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        target = target_of(instance, to)
        refuse_needless(instance)
        if not how.dry_run:
            asking.confirm(f"Give up on {standing.status(instance).get('primary') or 'the primary'}? {at_stake(instance)}.", yes=force)
        await change.carry_out(client, instance, _asked(target, force=True), how, partial(moved, instance), standing.unmoved)


def _asked(target: str, *, force: bool = False) -> Object:
    """As a merge patch: without `force` where it is not asked for, also when the one before had it."""
    return {"switchover": {"at": meta.rfc3339_micro(time.time()), "to": target, "force": True if force else None}}


def target_of(instance: Object, to: str | None) -> str:
    """ "" for the member that the operator chooses; raises ClickException where there is nothing to choose from."""
    from pilothouse.cli.mysql.lookup import require_member, require_running

    name, namespace = meta.name(instance), meta.namespace(instance)
    require_running(instance)
    if instance["spec"].get("replicas", 1) == 1:
        way = copyable(f"mysql scale {name} 3", namespace)
        raise click.ClickException(f"{name} has one member, and no other could take over: `{way}` gives it replicas")
    if to is not None and require_member(instance, to) == standing.status(instance).get("primary"):
        raise click.ClickException(f"{to} is the primary already; nothing was changed")
    return to or ""


def refuse_needless(instance: Object) -> None:
    """Raises ClickException where the primary works: a switchover loses nothing."""
    current = standing.status(instance).get("primary")
    members: list[Object] = standing.status(instance).get("members") or []
    found = next((each for each in members if each["name"] == current), Object())
    if found.get("ready") and found.get("writable"):
        way = copyable(f"mysql switchover {meta.name(instance)}", meta.namespace(instance))
        raise click.ClickException(f"the primary {current} works: `{way}` makes another one the primary and loses nothing")


def at_stake(instance: Object) -> str:
    """What may be lost, half a sentence: by which replicas had to acknowledge, and which of them are there."""
    said = standing.status(instance)
    ready = {each["name"] for each in said.get("members") or () if each.get("ready")}
    acknowledging = said.get("acknowledging") or []
    if kept := sorted(ready & set(acknowledging)):
        gone = sorted(set(acknowledging) - ready)
        unseen = f", but {' and '.join(gone)} may have acknowledged more and does not answer" if gone else ""
        return f"What {' and '.join(kept)} acknowledged stays{unseen}"
    return "No replica that acknowledges transactions answers: what was written last may be lost"


def moved(before: Object, after: Object) -> str:
    """Raises ClickException when it was refused."""
    said, name = standing.status(after), meta.name(after)
    move, was = said.get("move") or {}, standing.status(before).get("primary")
    asked = (after["spec"].get("switchover") or {}).get("at")
    if move.get("at") == asked and move.get("finishedAt") and said.get("primary") == was:
        raise click.ClickException(f"{was} is still the primary of {name}: {move.get('message') or 'the change was given up'}")
    is_done = said.get("primary") not in ("", None, was)
    return f"{said['primary']} is the primary of {name}" if is_done else f"another member is to be the primary of {name}"
