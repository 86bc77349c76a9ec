"""`ph mysql restore`: what an instance held, in a new instance beside it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli.mysql import change, completing, values
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

COPIED = ("flavour", "version", "size", "storageClass", "resources", "parameters", "access")
"""Of the instance that is restored. Its schedule of backups is not among them: two instances would go on in one archive."""


@click.command()
@values.INSTANCE
@click.option("--to", required=True, metavar="NAME", callback=values.new_name, help="The new instance.")
@click.option("--at", type=values.MOMENT, metavar="TIME", help="As it was then: 2026-11-30T12:00:00Z, or 10m for ten minutes ago.")
@click.option("--backup", metavar="BACKUP", shell_complete=completing.backups, help="As this backup has it (default: the newest).")
@click.option("--gtid", metavar="GTID", help="Up to this transaction, such as 0-1-4711.")
@click.option("--replicas", type=values.REPLICAS, metavar="1|3-9", help="Members of the new instance (default: 1).")
@click.option("--size", callback=values.quantity("storage"), metavar="QUANTITY", help="Of its volumes (default: as before).")
@change.operation(3600)
@pass_session
def restore(session: Session, /, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **options: Any) -> None:
    """Restore an instance, or one that was deleted, into a new one. The old one is not touched.

    \b
    Examples:
      ph mysql restore orders --to orders-copy
      ph mysql restore orders --to orders-copy --at 2026-11-30T12:00:00Z
      ph mysql restore orders --to orders-copy --backup orders-20261130-030000
    """
    origin = asked(instance, options["at"], options["backup"], options["gtid"])
    run(_restore(session, instance, namespace, origin, options, change.How.of(dry_run, wait, timeout)))


def asked(instance: str, at: str | None, backup: str | None, gtid: str | None) -> Object:
    """`spec.restore`; raises UsageError for what excludes each other."""
    given = [name for name, value in (("--at", at), ("--backup", backup), ("--gtid", gtid)) if value]
    if len(given) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} exclude each other: each says of which moment the data is")
    if backup:
        return {"backup": backup}
    return {"instance": instance, **({"time": at} if at else {}), **({"gtid": gtid} if gtid else {})}


async def _restore(session: Session, name: str, namespace: str, origin: Object, options: dict[str, Any], how: change.How) -> None:
    from pilothouse.cli.mysql.create import make
    from pilothouse.platform.databases.resource import MYSQLS

    async with connected(session) as client:
        source = await client.get_or_none(MYSQLS, name, namespace)
        await _require_backup(client, name, namespace, source, origin)
        refuse_outside(source, origin.get("time"))
        await make(client, wanted(options["to"], namespace, source, origin, options), how)


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


def wanted(name: str, namespace: str, source: Object | None, origin: Object, options: dict[str, Any]) -> Object:
    """As the source where there still is one; else with the API's defaults."""
    copied = {key: source["spec"][key] for key in COPIED if source is not None and source["spec"].get(key) not in (None, "")}
    given = {key: options[key] for key in ("replicas", "size") if options[key]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {**copied, **given, "restore": origin}}
