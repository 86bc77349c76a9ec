"""What a new instance names and needs of its cluster, looked for before it is made. What a user may not see is left to the platform."""

from typing import TYPE_CHECKING

import click

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

if TYPE_CHECKING:
    from pilothouse.client.client import Client

DEFAULT_STORE = "default"
"""Of a namespace: made when the first backup is."""


async def require(client: "Client", instance: Object) -> None:
    """Raises ClickException for a store or a class that is not there, and where there is no room for the members.

    instance: with the API's defaults.
    """
    from pilothouse.platform.databases.mysql import room
    from pilothouse.platform.databases.mysql.types import MySQLSpec

    spec, namespace = MySQLSpec.model_validate(instance["spec"]), meta.namespace(instance)
    await require_store(client, spec.backup.store, namespace)
    if spec.storage_class:
        await _require_named(client, kinds.STORAGECLASSES, spec.storage_class, None)
    faults = [room.node_fault(spec, await _seen(client, kinds.NODES, None))]
    faults += room.quota_faults(spec, await _seen(client, kinds.RESOURCEQUOTAS, namespace))
    if found := [each for each in faults if each]:
        raise click.ClickException("; ".join(found))


async def require_store(client: "Client", name: str, namespace: str) -> None:
    """Raises ClickException for one that is not there."""
    from pilothouse.platform.databases.resource import BACKUP_STORES

    if name not in ("", DEFAULT_STORE):
        await _require_named(client, BACKUP_STORES, name, namespace)


async def _require_named(client: "Client", resource: Resource, name: str, namespace: str | None) -> None:
    known = [meta.name(each) for each in await _seen(client, resource, namespace)]
    if not known:
        known = [name] if await _may_be_there(client, resource, name, namespace) else []
    if name not in known:
        where = f" in namespace {namespace}" if namespace else ""
        instead = f"there are {', '.join(sorted(known))}" if known else "there is none at all"
        raise click.ClickException(f"there is no {resource.kind} {name}{where}: {instead}")


async def _may_be_there(client: "Client", resource: Resource, name: str, namespace: str | None) -> bool:
    try:
        return await client.get_or_none(resource, name, namespace) is not None
    except Forbidden:
        return True


async def _seen(client: "Client", resource: Resource, namespace: str | None) -> list[Object]:
    """None where they may not be listed."""
    try:
        return (await client.list_all(resource, namespace)).items
    except (Forbidden, NotFound):
        return []
