"""Instances and what belongs to them by name, with a sentence and the way out when there is none."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from pilothouse.cli.apps.lookup import require_namespace
from pilothouse.cli.session import copyable
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.resource import BACKUPS, MYSQL_DATABASES, MYSQL_USERS, MYSQLS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

SHOWN = 10


async def find_instance(client: "Client", name: str, namespace: str) -> Object:
    return await _find(client, MYSQLS, "instance", name, namespace)


async def find_backup(client: "Client", name: str, namespace: str) -> Object:
    return await _find(client, BACKUPS, "backup", name, namespace)


async def _find(client: "Client", resource: Resource, what: str, name: str, namespace: str) -> Object:
    found = await client.get_or_none(resource, name, namespace) if _is_word(name) else None
    if found is None:
        raise click.ClickException(await _none(client, resource, what, name, namespace))
    return found


def _is_word(name: str) -> bool:
    """Whether it can stand in a path."""
    return name.isascii() and bool(name) and name.replace("-", "").replace(".", "").isalnum()


async def _none(client: "Client", resource: Resource, what: str, name: str, namespace: str) -> str:
    await require_namespace(client, namespace)
    # A cluster without the kind answers NotFound, too, and says so by raising it here.
    known = [meta.name(each) for each in (await client.list_all(resource, namespace)).items]
    missing = f"there is no {what} {name} in namespace {namespace}"
    return f"{missing}: {_instead(name, known, what)}"


def _instead(name: str, known: Sequence[str], what: str) -> str:
    if near := get_close_matches(name, known, n=1):
        return f"did you mean {near[0]}?"
    if known:
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        return f"there are {', '.join(known[:SHOWN])}{more}"
    return f"there is none at all; `{copyable('mysql list -A')}` lists the instances of all namespaces"


def members(instance: Object) -> list[str]:
    """By name, those that the status tells of; by the spec where it tells of none."""
    said = [each["name"] for each in (instance.get("status") or {}).get("members") or ()]
    return said or [f"{meta.name(instance)}-{number}" for number in range(instance["spec"].get("replicas", 1))]


def require_member(instance: Object, name: str) -> str:
    if name not in (known := members(instance)):
        raise click.ClickException(f"{meta.name(instance)} has no member {name}: it has {', '.join(known)}")
    return name


def primary(instance: Object) -> str:
    """The member that accepts writes; raises ClickException when there is none now."""
    found = str((instance.get("status") or {}).get("primary") or "")
    if not found:
        name, namespace = meta.name(instance), meta.namespace(instance)
        raise click.ClickException(f"{name} has no primary now: `{copyable(f'mysql show {name}', namespace)}` says why")
    return found


def require_running(instance: Object) -> None:
    """Raises ClickException for one that is suspended."""
    name, namespace = meta.name(instance), meta.namespace(instance)
    if instance["spec"].get("suspended"):
        raise click.ClickException(
            f"{name} is suspended, and nothing of it runs: `{copyable(f'mysql resume {name}', namespace)}` starts it"
        )


async def users_of(client: "Client", instance: str, namespace: str) -> list[Object]:
    return await _of_instance(client, MYSQL_USERS, instance, namespace)


async def databases_of(client: "Client", instance: str, namespace: str) -> list[Object]:
    return await _of_instance(client, MYSQL_DATABASES, instance, namespace)


async def _of_instance(client: "Client", resource: Resource, instance: str, namespace: str) -> list[Object]:
    found = (await client.list_all(resource, namespace)).items
    return sorted((each for each in found if each["spec"].get("instance") == instance), key=in_server)


def in_server(obj: Object) -> str:
    """The name that a database or an account has in the server."""
    return str(obj["spec"].get("name") or meta.name(obj))


async def backups_of(client: "Client", instance: str | None, namespace: str) -> list[Object]:
    """Oldest first. instance: None for those of all instances."""
    found = (await client.list_all(BACKUPS, namespace)).items
    mine = [each for each in found if instance is None or (each["spec"].get("service") or {}).get("name") == instance]
    return sorted(mine, key=lambda each: (each["metadata"].get("creationTimestamp") or "", meta.name(each)))


async def is_there(client: "Client", resource: Resource, name: str, namespace: str) -> bool:
    try:
        await client.get(resource, name, namespace)
    except NotFound:
        return False
    return True
