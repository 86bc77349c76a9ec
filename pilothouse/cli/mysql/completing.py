"""What can stand in the place of instances, members, backups, accounts and databases, for shell completion."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pilothouse.cli.names import completing

if TYPE_CHECKING:
    from pilothouse.client.client import Client


def _namespace(context: click.Context) -> str:
    return context.params.get("namespace") or "default"


def _instance(context: click.Context) -> str:
    """The first word of the command: where an option's value is completed, click has left it unassigned."""
    return context.params.get("instance") or next(iter(context.args), "-")


async def _instances(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.platform.databases.resource import MYSQLS

    return [each["metadata"]["name"] for each in (await client.list_all(MYSQLS, _namespace(context))).items]


async def _members(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.cli.mysql.lookup import members
    from pilothouse.platform.databases.resource import MYSQLS

    found = await client.get_or_none(MYSQLS, _instance(context), _namespace(context))
    return members(found) if found is not None else []


async def _backups(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.cli.mysql.lookup import backups_of

    return [each["metadata"]["name"] for each in await backups_of(client, context.params.get("instance"), _namespace(context))]


async def _users(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.cli.mysql.lookup import in_server, users_of

    return map(in_server, await users_of(client, _instance(context), _namespace(context)))


async def _databases(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.cli.mysql.lookup import databases_of, in_server

    return map(in_server, await databases_of(client, _instance(context), _namespace(context)))


async def _sources(client: "Client", context: click.Context) -> Iterable[str]:
    return [*await _instances(client, context), *await _backups(client, context)]


async def _stores(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.platform.databases.resource import BACKUP_STORES

    return [each["metadata"]["name"] for each in (await client.list_all(BACKUP_STORES, _namespace(context))).items]


async def _parameters(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.platform.databases.resource import MYSQLS

    found = await client.get_or_none(MYSQLS, _instance(context), _namespace(context))
    return (found or {"spec": {}})["spec"].get("parameters") or ()


backups = completing(_backups)
databases = completing(_databases)
instances = completing(_instances)
members = completing(_members)
parameters = completing(_parameters)
sources = completing(_sources)
stores = completing(_stores)
users = completing(_users)
