"""`ph mysql backup`: take, list and prove backups."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import change, completing
from pilothouse.cli.mysql import options as fields
from pilothouse.cli.mysql.listing import age
from pilothouse.cli.mysql.show import binary
from pilothouse.cli.session import Session, connected, copyable, pass_session, placed, run
from pilothouse.model import meta
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

POLL_S = 0.3
HEADINGS = ("backup", "instance", "state", "verified", "size", "took", "method", "age", "problem")


@click.command()
@click.argument("instance", required=False, shell_complete=completing.instances)
@click.option("--list", "listed", is_flag=True, help="List the backups, of all instances when none is named.")
@click.option(
    "--verify", metavar="BACKUP", shell_complete=completing.backups, help="Restore this backup into a scratch instance and compare."
)
@click.option("--method", type=click.Choice(["physical", "logical"]), help="Files of the server, or statements (default: physical).")
@click.option("--no-verify", is_flag=True, help="Do not restore it into a scratch instance at once.")
@fields.STORE
@click.option("-o", "--output", "how", type=click.Choice(["table", "json", "yaml"]), default="table", help="How to print the list.")
@change.operation(3600)
@pass_session
def backup(session: Session, /, instance: str | None, namespace: str, dry_run: bool, wait: bool, timeout: float, **options: Any) -> None:
    """Take a backup of an instance and restore it into a scratch instance, which proves it; list backups, and prove one again.

    \b
    Examples:
      ph mysql backup orders
      ph mysql backup orders --method logical --no-verify
      ph mysql backup --list
      ph mysql backup orders --verify orders-20261130-120000
    """
    way = change.How.of(dry_run, wait, timeout)
    if options["listed"]:
        run(_list(session, instance, namespace, options["how"]))
    elif options["verify"]:
        run(_verify(session, options["verify"], namespace, way))
    elif instance is None:
        raise click.UsageError("name an instance, or list the backups with --list")
    else:
        run(_take(session, instance, namespace, options, way))


async def _list(session: Session, name: str | None, namespace: str, how: str) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.mysql.lookup import backups_of

    async with connected(session) as client:
        found = await backups_of(client, name, namespace)
        if not found:
            await require_namespace(client, namespace)
    if how != "table":
        output.document(found, how)
    elif not found:
        way = copyable(f"mysql backup {name or 'INSTANCE'}", namespace)
        output.note(f"no backups{f' of {name}' if name else ''} in namespace {namespace}: `{way}` takes one")
    else:
        output.table(HEADINGS, [_row(each) for each in found])


def _row(obj: Object) -> list[object]:
    spec, said = obj["spec"], obj.get("status") or {}
    took = f"{said['seconds']:.1f} s" if said.get("seconds") else ""
    size = binary(said["bytes"]) if said.get("bytes") else ""
    proof = meta.condition(obj, "Verified") or {}
    problem = said.get("message") if said.get("phase") == "Failed" else proof.get("message") if proof.get("status") == "False" else ""
    state = _coloured(said.get("phase") or "Pending")
    return [
        *(meta.name(obj), spec["service"]["name"], state, verified(obj), size, took),
        *(spec.get("method"), age(obj), output.harmless(problem or "")),
    ]


def _coloured(phase: str) -> str:
    return output.good(phase) if phase == "Succeeded" else output.bad(phase) if phase == "Failed" else output.half(phase)


def verified(obj: Object) -> str:
    """When it was restored and compared, or that this failed, is under way, or was never asked for."""
    proof, said = meta.condition(obj, "Verified") or {}, obj.get("status") or {}
    if proof.get("status") == "True":
        return str((said.get("verified") or {}).get("at") or "yes")
    if proof.get("status") == "False":
        return output.bad("no")
    return "" if proof or obj["spec"].get("verify", True) else "not asked for"


def wanted(instance: Object, options: dict[str, Any], now_s: float) -> Object:
    name = f"{meta.name(instance)}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now_s))}"
    store = options["backup_store"] or (instance["spec"].get("backup") or {}).get("store")
    given = {"store": store, "method": options["method"], "verify": False if options["no_verify"] else None}
    return {
        "apiVersion": "databases.pilothouse.dev/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": meta.namespace(instance)},
        "spec": {
            "service": {"kind": "MySQL", "name": meta.name(instance)},
            **{key: value for key, value in given.items() if value not in (None, "")},
        },
    }


async def _take(session: Session, name: str, namespace: str, options: dict[str, Any], how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_instance, require_running
    from pilothouse.platform.databases.resource import BACKUPS

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        require_running(instance)
        made = wanted(instance, options, time.time())
        if how.dry_run:
            await client.create(BACKUPS, made, dry_run=True)
            output.note(
                f"  restarts: none\n  read-only: 0 s\n  undo: `ph kubectl delete backups.databases.pilothouse.dev {meta.name(made)}`"
            )
            output.document(made, "yaml")
            return
        made = await client.create(BACKUPS, made)
        if how.timeout_s is None:
            click.echo(f"{meta.name(made)} is being taken: `{copyable(f'mysql backup {name} --list', namespace)}`")
            return
        click.echo(taken(await until(client, made, is_taken, how.timeout_s)))


async def _verify(session: Session, name: str, namespace: str, how: change.How) -> None:
    from pilothouse.cli.mysql.lookup import find_backup
    from pilothouse.platform.databases.resource import BACKUPS

    async with connected(session) as client:
        found = await find_backup(client, name, namespace)
        if (found.get("status") or {}).get("phase") != "Succeeded":
            raise click.ClickException(
                f"{name} is not a whole backup: its state is {(found.get('status') or {}).get('phase') or 'Pending'}"
            )
        patch = {"spec": {"verifyAt": meta.rfc3339_micro(time.time())}}
        output.note("  restarts: none\n  read-only: 0 s\n  a scratch instance takes room for as long as it is compared")
        asked = await client.patch(BACKUPS, name, patch, namespace=namespace, dry_run=how.dry_run)
        if how.dry_run:
            return
        if how.timeout_s is None:
            click.echo(f"{name} is being verified: `{copyable('mysql backup --list', namespace)}`")
            return
        click.echo(proven(await until(client, asked, is_verified_again, how.timeout_s)))


def is_taken(obj: Object) -> bool:
    """Whether it is whole, and restored where that is asked for; raises ClickException when it failed."""
    said, name = obj.get("status") or {}, meta.name(obj)
    if said.get("phase") == "Failed":
        why = said.get("message") or said.get("reason") or "for no reason that is known"
        raise click.ClickException(placed(f"backup {name} failed: {why}", namespace=meta.namespace(obj)))
    return said.get("phase") == "Succeeded" and (not obj["spec"].get("verify", True) or _is_judged(obj))


def _is_judged(obj: Object) -> bool:
    proof = meta.condition(obj, "Verified") or {}
    if proof.get("status") == "False" and proof.get("reason") not in ("Verifying", "Pending"):
        raise click.ClickException(f"backup {meta.name(obj)} is of no use: {proof.get('message') or proof.get('reason')}")
    return proof.get("status") == "True"


def is_verified_again(obj: Object) -> bool:
    """Whether the verification that was asked for last is over; raises ClickException when it failed."""
    return bool((obj.get("status") or {}).get("verifyAt") == obj["spec"].get("verifyAt")) and _is_judged(obj)


async def until(client: "Client", made: Object, is_done: Any, timeout_s: float) -> Object:
    """The Backup once it is so. A command that is interrupted leaves it going on, and says so."""
    from pilothouse.platform.databases.resource import BACKUPS

    name, namespace, waiting = meta.name(made), meta.namespace(made), output.Waiting()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = await client.get(BACKUPS, name, namespace)
                if is_done(found):
                    return found
                waiting.show(f"{name}: {_doing(found)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        way = copyable("mysql backup --list", namespace)
        raise click.ClickException(f"{name} is not there after {timeout_s:g} s, and goes on: `{way}` tells how far it is") from error
    except asyncio.CancelledError:
        waiting.clear()
        output.note(f"{name} goes on: `{copyable('mysql backup --list', namespace)}` tells how far it is")
        raise
    finally:
        waiting.clear()


def _doing(obj: Object) -> str:
    said = obj.get("status") or {}
    if said.get("phase") == "Succeeded":
        return (meta.condition(obj, "Verified") or {}).get("message") or "it is restored into a scratch instance and compared"
    return said.get("message") or {"Running": "data is being copied"}.get(said.get("phase", ""), "waiting for the platform")


def taken(obj: Object) -> str:
    said = obj.get("status") or {}
    size = f" ({binary(said['bytes'])} in {said.get('seconds', 0):.1f} s)" if said.get("bytes") else ""
    return f"{meta.name(obj)} is taken{size}" + (f"; {proven(obj)}" if obj["spec"].get("verify", True) else "; it was not verified")


def proven(obj: Object) -> str:
    proof = (obj.get("status") or {}).get("verified") or {}
    return f"restored and compared: {proof.get('tables', 0)} tables, {proof.get('rows', 0)} rows, {proof.get('seconds', 0):.1f} s"
