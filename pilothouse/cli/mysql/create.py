"""`ph mysql create`: a new instance, empty or from a backup."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import available, change, completing, standing, values
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

STORE = click.option("--backup-store", metavar="STORE", shell_complete=completing.stores, help="The BackupStore that its backups go to.")


@click.command()
@click.argument("instance", callback=values.new_name)
@click.option("--size", callback=values.quantity("storage"), metavar="QUANTITY", help="Of each member's volume (default: 1Gi).")
@click.option("--cpu", callback=values.quantity("cpu"), metavar="QUANTITY", help="Of each member's server, such as 500m (default).")
@click.option("--memory", callback=values.quantity("memory"), metavar="QUANTITY", help="Of each member's server, such as 512Mi (default).")
@click.option("--replicas", type=values.REPLICAS, metavar="1|3-9", help="Members, of which one is the primary (default: 1).")
@click.option("--flavour", type=click.Choice(["mariadb", "mysql"]), help="Which server (default: mariadb).")
@click.option("--version", type=values.VERSION, help="Of the server, such as 10.11 (default: the platform's own).")
@values.IMAGE
@click.option("--storage-class", metavar="CLASS", help="Of the volumes (default: the cluster's).")
@click.option(
    "--backup-schedule", callback=values.schedule, metavar="CRON", help="When to back up: five fields in UTC, such as '30 3 * * *'."
)
@STORE
@click.option("--archive", is_flag=True, help="Archive the log of changes, so that any second can be restored.")
@click.option("--from", "source", metavar="BACKUP|INSTANCE", shell_complete=completing.sources, help="Begin with the data of a backup.")
@click.option("--at", type=values.MOMENT, metavar="TIME", help="With --from INSTANCE: as it was at this time.")
@click.option(
    "--param", "parameters", multiple=True, callback=values.parameters, metavar="NAME=VALUE", help="A server's setting; may be repeated."
)
@click.option(
    "--allow",
    multiple=True,
    callback=values.clients,
    metavar="[NAMESPACE/][LABEL=VALUE]|CIDR",
    help="Who may connect beside bound apps: pods with that label, or addresses; may be repeated.",
)
@click.option("--no-protection", is_flag=True, help="It may be deleted without taking a protection away first.")
@change.operation(600)
@pass_session
def create(session: Session, /, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **options: Any) -> None:
    """Make an instance, and wait until it answers.

    Its account and password lie in the Secret of its name; `ph bind APP INSTANCE` gives an app an account of its own.

    \b
    Examples:
      ph mysql create orders
      ph mysql create orders --size 2Gi --cpu 500m --memory 512Mi --replicas 3
      ph mysql create orders --flavour mysql --version 8.0
      ph mysql create orders --backup-schedule '30 3 * * *' --archive
      ph mysql create copy --from orders --at 2026-11-30T12:00:00Z
    """
    if options["version"] and options["image"]:
        raise click.UsageError("--version and --image exclude each other: an image has a version of its own")
    if options["at"] and not options["source"]:
        raise click.UsageError("--at says of what time the data is, and needs --from INSTANCE")
    run(_create(session, wanted(instance, namespace, options), options, change.How.of(dry_run, wait, timeout)))


def wanted(name: str, namespace: str, options: dict[str, Any]) -> Object:
    """The object without what its data comes from; the rest of it has the API's defaults."""
    resources = {key: options[key] for key in ("cpu", "memory") if options[key]}
    backup = {"schedule": options["backup_schedule"], "store": options["backup_store"], "archive": options["archive"]}
    spec: Object = {
        "flavour": options["flavour"],
        "version": options["version"],
        "image": options["image"],
        "replicas": options["replicas"],
        "size": options["size"],
        "storageClass": options["storage_class"],
        "resources": resources,
        "parameters": options["parameters"],
        "access": {"clients": options["allow"]} if options["allow"] else None,
        "backup": {key: value for key, value in backup.items() if value},
        "deletionProtection": False if options["no_protection"] else None,
    }
    given = {key: value for key, value in spec.items() if value not in (None, {}, "")}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": given}


async def _create(session: Session, made: Object, options: dict[str, Any], how: change.How) -> None:
    async with connected(session) as client:
        if options["source"]:
            made["spec"]["restore"] = await origin(client, options["source"], options["at"], made["metadata"]["namespace"])
        await make(client, made, how)


async def origin(client: "Client", source: str, at: str | None, namespace: str) -> Object:
    """`spec.restore` for the name of a backup or an instance, the latter where both are there and a time is given."""
    from pilothouse.cli.mysql.lookup import backups_of, is_there
    from pilothouse.cli.mysql.restore import refuse_before
    from pilothouse.model import meta
    from pilothouse.platform.databases.resource import BACKUPS, MYSQLS

    if at is None and await is_there(client, BACKUPS, source, namespace):
        return {"backup": source}
    found = await backups_of(client, source, namespace)
    if found or await is_there(client, MYSQLS, source, namespace):
        asked: Object = {"instance": source, **({"time": at} if at else {})}
        if whole := [each for each in found if (each.get("status") or {}).get("phase") == "Succeeded"]:
            refuse_before(asked, whole)
        return asked
    if at is not None and await is_there(client, BACKUPS, source, namespace):
        of = meta.name(await client.get(BACKUPS, source, namespace))
        raise click.ClickException(f"{of} is a backup, and a time is of an instance: name the instance, or leave --at out")
    way = copyable("mysql backup --list", namespace)
    raise click.ClickException(f"there is neither a backup nor an instance {source} in namespace {namespace}: `{way}` lists backups")


async def make(client: "Client", made: Object, how: change.How) -> None:
    """Create the instance and wait until it answers; prints where it is."""
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.mysql.following import Following
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    await require_namespace(client, namespace)
    await _require_free(client, name, namespace)
    checked = await client.create(MYSQLS, made, dry_run=True)
    change.refuse_faulty(checked)
    await available.require(client, checked)
    if how.dry_run:
        output.note("  restarts: none\n  read-only: 0 s")
        output.note(f"  undo: `ph mysql delete {name}`")
        output.document({"apiVersion": checked["apiVersion"], "kind": checked["kind"], **made, "spec": checked["spec"]}, "yaml")
        return
    begun = time.monotonic()
    instance = await client.create(MYSQLS, made)
    if how.timeout_s is None:
        click.echo(f"{name} is being made: `{copyable(f'mysql show {name}', namespace)}` tells how far it is")
        return
    going = f"{name} goes on being made: `{copyable(f'mysql show {name}', namespace)}` tells how far it is"
    instance = await Following(client, name, namespace).until(standing.lacking, how.timeout_s, interrupted=going)
    output.note(output.good(f"{name} answers") + f" after {time.monotonic() - begun:.1f} s")
    for line in reached(instance):
        output.say(line)
    if made["spec"].get("restore"):
        database = standing.status(instance).get("database") or name.replace("-", "_")
        output.note(f"its first database is {database}, as it was restored; accounts of the old instance are in it, with their passwords")


async def _require_free(client: "Client", name: str, namespace: str) -> None:
    """Raises ClickException for a name that is taken. The operator looks as well; here nothing is left behind."""
    from pilothouse.cli.mysql.lookup import is_there
    from pilothouse.model import kinds
    from pilothouse.platform.databases.resource import MYSQLS

    if await is_there(client, MYSQLS, name, namespace):
        raise click.ClickException(
            f"there is an instance {name} in namespace {namespace} already: `{copyable(f'mysql show {name}', namespace)}` shows it"
        )
    for resource in (kinds.STATEFULSETS, kinds.SERVICES, kinds.SECRETS):
        if await is_there(client, resource, name, namespace):
            raise click.ClickException(
                f"the name {name} is taken by the {resource.kind} {name} of namespace {namespace}: choose another name, or remove that"
            )


def reached(instance: Object) -> Iterable[str]:
    """Where it is and how to come in."""
    from pilothouse.model import meta

    said, name, namespace = standing.status(instance), meta.name(instance), meta.namespace(instance)
    port = said.get("port") or 3306
    host = said.get("host") or name
    yield f"host:     {_dns(host, namespace)}:{port}"
    if said.get("readHost") and instance["spec"].get("replicas", 1) > 1:
        yield f"replicas: {_dns(said['readHost'], namespace)}:{port}"
    yield f"account:  Secret {(said.get('binding') or {}).get('name') or name} (username, password, uri, ca.crt)"
    yield f"connect:  {copyable(f'mysql connect {name}', namespace)}"


def _dns(service: str, namespace: str) -> str:
    """The name by which pods of every namespace reach it."""
    return service if "." in service else f"{service}.{namespace}.svc"
