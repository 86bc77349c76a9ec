"""`ph mysql create`: a new instance, empty or from a backup."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import available, change, completing, options, standing, values
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client


@click.command()
@click.argument("instance", callback=values.new_name)
@options.changeable
@click.option("--flavour", type=click.Choice(["mariadb", "mysql"]), help="Which server (default: mariadb); it never changes.")
@click.option("--version", type=values.VERSION, help="Of the server, such as 10.11 (default: the platform's own).")
@values.IMAGE
@options.STORAGE_CLASS
@click.option("--from", "source", metavar="BACKUP|INSTANCE", shell_complete=completing.sources, help="Begin with the data of a backup.")
@click.option("--at", type=values.MOMENT, metavar="TIME", help="With --from INSTANCE: as it was at this time.")
@click.option(
    "--from-volumes",
    metavar="[NAMESPACE/]INSTANCE",
    help="Begin with what a protected instance left on its volumes when its namespace was deleted; takes the name of a volume, too.",
)
@change.operation(600)
@pass_session
def create(session: Session, /, instance: str, namespace: str, dry_run: bool, wait: bool, timeout: float, **given: Any) -> None:
    """Make an instance, and wait until it answers.

    Its account and password lie in the Secret of its name; `ph bind APP INSTANCE` gives an app an account of its own.

    \b
    Examples:
      ph mysql create orders
      ph mysql create orders --size 2Gi --cpu 500m --memory 512Mi --replicas 3
      ph mysql create orders --flavour mysql --version 8.0
      ph mysql create orders --backup-schedule '30 3 * * *' --archive
      ph mysql create copy --from orders --at 2026-11-30T12:00:00Z
      ph mysql create orders --from-volumes shop/orders
    """
    if given["version"] and given["image"]:
        raise click.UsageError("--version and --image exclude each other: an image has a version of its own")
    if given["at"] and not given["source"]:
        raise click.UsageError("--at says of what time the data is, and needs --from INSTANCE")
    if given["source"] and given["from_volumes"]:
        raise click.UsageError("--from and --from-volumes exclude each other: each says whose data it begins with")
    run(_create(session, wanted(instance, namespace, given), given, change.How.of(dry_run, wait, timeout)))


def wanted(name: str, namespace: str, given: dict[str, Any]) -> Object:
    """The object without what its data comes from; the rest of it has the API's defaults."""
    server = {key: given[key] for key in ("flavour", "version", "image") if given[key]}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": options.over(server, options.spec(given))}


async def _create(session: Session, made: Object, given: dict[str, Any], how: change.How) -> None:
    async with connected(session) as client:
        if given["source"]:
            made["spec"]["restore"] = await origin(client, given["source"], given["at"], made["metadata"]["namespace"])
        if given["from_volumes"]:
            await _take_up(client, made, given["from_volumes"], how)
        else:
            await make(client, made, how)


async def _take_up(client: "Client", made: Object, source: str, how: change.How) -> None:
    """The volume is kept for the claim of the first member before anything is made that could take another one."""
    from pilothouse.cli.mysql import adopting
    from pilothouse.cli.mysql.lookup import is_there
    from pilothouse.model import kinds
    from pilothouse.platform.databases.mysql import names

    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    found, others = await adopting.find(client, source)
    made["spec"] = options.over(found[1].spec, made["spec"])
    claim = names.claim(names.member(name, 0))
    await judged(client, made)
    if await is_there(client, kinds.PERSISTENTVOLUMECLAIMS, claim, namespace):
        raise click.ClickException(f"there is a claim {claim} in namespace {namespace}, which has a volume of its own: choose another name")
    adopting.tell(found, others)
    if not how.dry_run:
        await adopting.reserve(client, found[0], claim, namespace)
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
    from pilothouse.cli.mysql.following import Following
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    checked = await judged(client, made)
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


async def judged(client: "Client", made: Object) -> Object:
    """With the API's defaults. Raises ClickException for what cannot be, before anything is made."""
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.platform.databases.resource import MYSQLS

    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    await require_namespace(client, namespace)
    await _require_free(client, name, namespace)
    checked = await client.create(MYSQLS, made, dry_run=True)
    change.refuse_faulty(checked)
    await available.require(client, checked)
    return checked


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
