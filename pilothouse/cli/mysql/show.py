"""`ph mysql show`: one instance with its members, where it is reached, and what is not as it should be."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import standing
from pilothouse.cli.mysql.create import reached
from pilothouse.cli.mysql.listing import coloured
from pilothouse.cli.mysql.values import INSTANCE
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

HEADINGS = ("member", "role", "ready", "lag", "version", "cpu", "memory", "disk", "problem")


@click.command()
@INSTANCE
@NAMESPACE
@output.OUTPUT
@pass_session
def show(session: Session, instance: str, namespace: str, output: str) -> None:
    """Show an instance: its members, where it is reached, which apps are bound to it, and what is wrong with it.

    \b
    Examples:
      ph mysql show orders
      ph mysql show orders -o yaml
    """
    run(_show(session, instance, namespace, output))


async def _show(session: Session, name: str, namespace: str, how: str) -> None:
    from pilothouse.cli.mysql.lookup import find_instance

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        if how != "table":
            output.document(instance, how)
            return
        apps = await bound(client, name, namespace)
    output.say(f"{name} is {coloured(instance)}{_why(instance)}")
    for line in (*reached(instance), *_facts(instance, apps)):
        output.say(line)
    if members := standing.status(instance).get("members"):
        output.say("")
        output.table(HEADINGS, [_row(each) for each in members])
    for line in _troubles(instance):
        output.say(output.folded(line, indent=2))


async def bound(client: "Client", name: str, namespace: str) -> list[str]:
    """Apps by name; none where they may not be seen."""
    from pilothouse.model.errors import Forbidden, NotFound
    from pilothouse.platform.databases.resource import BINDINGS

    try:
        found = (await client.list_all(BINDINGS, namespace)).items
    except (Forbidden, NotFound):
        return []
    return sorted(each["spec"]["app"] for each in found if each["spec"]["service"]["name"] == name)


def _why(instance: Object) -> str:
    said = standing.sentence(instance)
    return f": {said}" if said and not meta.is_true(instance, "Ready") else ""


def _facts(instance: Object, apps: list[str]) -> Iterator[str]:
    spec, said = instance["spec"], standing.status(instance)
    resources, backup = spec.get("resources") or {}, spec.get("backup") or {}
    yield f"each has: {resources.get('cpu', '?')} of cpu, {resources.get('memory', '?')} of memory, {spec.get('size', '?')} of storage"
    if apps:
        yield f"apps:     {', '.join(apps)}"
    schedule = f"at {backup['schedule']} UTC" if backup.get("schedule") else "on demand"
    last = f", the last one {said['lastBackup']}" if said.get("lastBackup") else ", none yet"
    until = f"; any second until {said['archivedUntil']}" if said.get("archivedUntil") else ""
    yield f"backups:  {schedule}{last}{until}"
    yield f"deleted:  {_deleted(instance)}"
    if move := said.get("move"):
        yield f"last move: {_move(move)}"


def _deleted(instance: Object) -> str:
    is_protected = instance["spec"].get("deletionProtection", True)
    if meta.is_deleting(instance):
        waits = ", and waits: it is carried out as soon as its protection is taken away" if is_protected else ""
        return f"asked for at {instance['metadata']['deletionTimestamp']}{waits}"
    return "only after its protection is taken away" if is_protected else "when it is asked for"


def _move(move: Object) -> str:
    where = f"{move.get('kind', 'switchover')} from {move.get('source') or 'nobody'} to {move.get('target') or '?'}"
    took = f", {move['readOnlySeconds']:.2f} s read-only" if move.get("readOnlySeconds") is not None else ""
    ended = f"at {move['finishedAt']}" if move.get("finishedAt") else f"under way since {move.get('startedAt')}"
    return f"{where} {ended}{took}" + (f": {move['message']}" if move.get("message") else "")


def _row(member: Object) -> list[object]:
    disk = member.get("disk") or {}
    size, free = disk.get("size") or 0, disk.get("free") or 0
    used = f"{100 * (size - free) / size:.0f}% of {binary(size)}" if size else ""
    lag = member.get("lagSeconds")
    shown = "" if lag is None else f"{lag:.1f} s"
    ready = "yes" if member.get("ready") else "no"
    given = [member.get("version"), member.get("cpu"), member.get("memory"), used]
    return [member["name"], member.get("role"), ready, shown, *given, _problem(member)]


def _problem(member: Object) -> str:
    found = [member.get("message") or ("" if member.get("ready") else member.get("state")) or ""]
    if member.get("errant"):
        found.append(f"has transactions that the primary has not: {member['errant']}")
    if waiting := member.get("pendingRestart"):
        found.append(f"after a restart counts: {', '.join(waiting)}")
    return output.harmless("; ".join(each for each in found if each))


def binary(value: float) -> str:
    """Bytes as `1.5Gi`."""
    for unit, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def _troubles(instance: Object) -> Iterator[str]:
    """Conditions that say something is wrong, beside Ready, which stands in the first line."""
    for each in standing.status(instance).get("conditions") or ():
        is_wrong = (each["status"] == "False") != (each["type"] in ("Degraded", "Deleting", "Errant"))
        if each["type"] != "Ready" and is_wrong and each.get("message"):
            yield f"{each['type']}: {each['reason']}: {each['message']}"
