"""Bindings and services by name, with a sentence and the way out when there is none."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from pilothouse.cli.binding.wish import between
from pilothouse.cli.session import copyable
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import BINDINGS, MYSQLS

if TYPE_CHECKING:
    from pilothouse.client.client import Client


async def find_service(client: "Client", name: str, namespace: str) -> Object:
    from pilothouse.cli.apps.lookup import require_namespace

    try:
        return await client.get(MYSQLS, name, namespace)
    except NotFound as error:
        await require_namespace(client, namespace)
        known = [meta.name(each) for each in (await client.list_all(MYSQLS, namespace)).items]
        near = next(iter(get_close_matches(name, known, n=1)), "")
        step = f"did you mean {near}?" if near else f"make it with `{copyable(f'mysql create {name}', namespace)}`"
        raise click.ClickException(f"there is no database service {name} in namespace {namespace}: {step}") from error


async def bindings_between(client: "Client", app: str, service: str, namespace: str) -> list[Object]:
    return between((await client.list_all(BINDINGS, namespace)).items, app, service)


async def find_binding(client: "Client", app: str, service: str, namespace: str) -> Object:
    """The one of the app and the service; raises ClickException when there is none, and when there are several."""
    from pilothouse.cli.apps.lookup import require_namespace

    found = await bindings_between(client, app, service, namespace)
    if not found:
        await require_namespace(client, namespace)
        listing = f"`{copyable('bind --list', namespace)}` shows who is bound"
        raise click.ClickException(f"{app} is not bound to {service} in namespace {namespace}: {listing}")
    if len(found) > 1:
        names = ", ".join(map(meta.name, found))
        remove = f"`{copyable(f'kubectl delete bind {meta.name(found[0])}', namespace)}`"
        raise click.ClickException(f"{app} has several bindings to {service} ({names}): remove one of them with {remove}")
    return found[0]
