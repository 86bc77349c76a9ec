"""`ph mysql restore`: what an instance held, in a new instance beside it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import change, completing, options, values
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

COPIED = ("flavour", "version", "image", "size", "storageClass", "resources", "parameters", "access")
"""Of an instance that is there. Its policy of backups is not among them: a copy is not backed up unless somebody asks for it."""


@click.command()
@values.INSTANCE
@click.option("--to", required=True, metavar="NAME", callback=values.new_name, help="The new instance.")
@click.option("--at", type=values.MOMENT, metavar="TIME", help="As it was then: 2026-11-30T12:00:00Z, or 10m for ten minutes ago.")
@click.option("--backup", metavar="BACKUP", shell_complete=completing.backups, help="As this backup has it (default: the newest).")
@click.option("--gtid", metavar="GTID", help="Up to this transaction, such as 0-1-4711.")
@options.changeable
@options.STORAGE_CLASS
@change.operation(3600)
@pass_session
def restore(session: Session, /, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **given: Any) -> None:
    """Restore an instance, or one that was deleted, into a new one. The old one is not touched.

    The new one has the old one's resources, parameters and clients, by the backup where the old one is gone, but for what is given here;
    beside the old one it has one member and no policy of backups. What differs is said.

    \b
    Examples:
      ph mysql restore orders --to orders-copy
      ph mysql restore orders --to orders-copy --memory 2Gi --size 20Gi --replicas 3
      ph mysql restore orders --to orders-copy --at 2026-11-30T12:00:00Z
      ph mysql restore orders --to orders-copy --backup orders-20261130-030000
    """
    origin = asked(instance, given["at"], given["backup"], given["gtid"])
    run(_restore(session, instance, namespace, origin, given, change.How.of(dry_run, wait, timeout)))


def asked(instance: str, at: str | None, backup: str | None, gtid: str | None) -> Object:
    """`spec.restore`; raises UsageError for what excludes each other."""
    given = [name for name, value in (("--at", at), ("--backup", backup), ("--gtid", gtid)) if value]
    if len(given) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} exclude each other: each says of which moment the data is")
    if backup:
        return {"backup": backup}
    return {"instance": instance, **({"time": at} if at else {}), **({"gtid": gtid} if gtid else {})}


async def _restore(session: Session, name: str, namespace: str, origin: Object, given: dict[str, Any], how: change.How) -> None:
    from pilothouse.cli.mysql.create import make
    from pilothouse.platform.databases.resource import MYSQLS

    async with connected(session) as client:
        source = await client.get_or_none(MYSQLS, name, namespace)
        await _require_backup(client, name, namespace, source, origin)
        refuse_outside(source, origin.get("time"))
        base = copied(source) if source is not None else await _kept(client, name, namespace, origin)
        made = wanted(given["to"], namespace, base, origin, given)
        before = source["spec"] if source is not None else base
        for line in differences(name, before, made["spec"]):
            output.note(f"  {line}")
        await make(client, made, how)


async def _kept(client: "Client", name: str, namespace: str, origin: Object) -> Object:
    """The spec that the backup keeps of an instance that has gone; raises ClickException where no backup is early enough."""
    from pilothouse.cli.mysql.lookup import backups_of
    from pilothouse.platform.databases.mysql.backups import carried
    from pilothouse.platform.databases.mysql.backups.restore import choose

    chosen = choose(origin, await backups_of(client, name, namespace))
    if isinstance(chosen, str):
        raise click.ClickException(f"{chosen}: `{copyable(f'mysql backup {name} --list', namespace)}` lists those that there are")
    return carried.spec(chosen)


def copied(source: Object) -> Object:
    return {key: source["spec"][key] for key in COPIED if source["spec"].get(key) not in (None, "")}


def differences(name: str, before: Object, made: Object) -> list[str]:
    """What the new instance has not as the old one had it. before: the old one's spec, {} where nothing is known of it."""
    if not before:
        return [f"the backup does not say what {name} was like: resources, parameters and clients are the usual ones"]
    found = []
    if (was := before.get("replicas", 1)) != (now := made.get("replicas", 1)):
        found.append(f"not as before: {now} replica{'' if now == 1 else 's'}, {name} had {was}; `ph mysql scale` changes that")
    was, has = before.get("backup") or {}, made.get("backup") or {}
    if any(was.get(key) and not has.get(key) for key in ("schedule", "archive")):
        found.append(f"not as before: no schedule of backups and no archive, which {name} has: `ph mysql set` gives it one")
    return found


async def _require_backup(client: "Client", name: str, namespace: str, source: Object | None, origin: Object) -> None:
    """Raises ClickException where there is nothing that could be restored."""
    from pilothouse.cli.mysql.lookup import backups_of, find_backup, find_instance

    if backup := origin.get("backup"):
        of = (await find_backup(client, backup, namespace))["spec"]["service"]["name"]
        if of != name:
            raise click.ClickException(f"{backup} is a backup of {of}, not of {name}")
        return
    whole = [each for each in await backups_of(client, name, namespace) if (each.get("status") or {}).get("phase") == "Succeeded"]
    if whole:
        refuse_before(origin, whole)
        return
    if source is None:
        await find_instance(client, name, namespace)
    raise click.ClickException(f"{name} has no backup: `{copyable(f'mysql backup {name}', namespace)}` takes one")


def refuse_before(origin: Object, whole: Sequence[Object]) -> None:
    """Raises ClickException for a time that all backups are younger than: nothing before the first one can be had again.

    whole: those that have succeeded.
    """
    from pilothouse.platform.databases.mysql.backups.restore import choose

    if isinstance(why := choose(origin, whole), str):
        first = min(str(each["status"]["finishedAt"]) for each in whole)
        raise click.ClickException(f"{why}: the first one was taken at {first}, and what was before it cannot be restored")


def refuse_outside(source: Object | None, at: str | None) -> None:
    """Raises ClickException for a time that the archive does not reach. What it reaches back to, the platform finds out."""
    until = ((source or {}).get("status") or {}).get("archivedUntil") or ""
    if at is None or source is None:
        return
    name = meta.name(source)
    if not until and not (source["spec"].get("backup") or {}).get("archive"):
        raise click.ClickException(f"{name} archives no log of changes, so that only its backups can be restored: name one with --backup")
    if until and meta.parse_rfc3339(at) > meta.parse_rfc3339(until):
        raise click.ClickException(f"{name} is archived until {until}, and {at} is later: choose a time up to that")


def wanted(name: str, namespace: str, base: Object, origin: Object, given: dict[str, Any]) -> Object:
    """base: the spec to begin with; what it has not has the API's defaults, and what was given counts more."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": options.over(base, options.spec(given)) | {"restore": origin}}
