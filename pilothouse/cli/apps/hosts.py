"""Whether the hosts that an app asks for are free, before anything is built."""

from typing import TYPE_CHECKING

import click

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.platform.apps import hosts
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.resource import APPS

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.resource import Resource


async def require_free_hosts(client: "Client", wanted: Object, before: Object | None) -> None:
    """Raises ClickException that names who has the host. What the user may not see is left to the platform to tell."""
    around = await surroundings(client)
    # An app that is not made yet is the youngest.
    seen = wanted | {"metadata": {"creationTimestamp": "9999"} | (before or wanted)["metadata"]}
    ingresses = await _visible(client, kinds.INGRESSES, meta.namespace(wanted))
    apps = [each for each in await _visible(client, APPS, meta.namespace(wanted)) if meta.key(each) != meta.key(wanted)]
    if found := hosts.taken(seen, ingresses, apps, around):
        raise click.ClickException(f"{meta.name(wanted)} is not deployed: {found} with --host")


async def surroundings(client: "Client") -> Surroundings:
    """As the platform has published them; the defaults where they cannot be read."""
    from pilothouse.cli.daemon.platform import INFO
    from pilothouse.platform.builds.pod import SYSTEM

    try:
        data: dict[str, str] = (await client.get_or_none(kinds.CONFIGMAPS, INFO, SYSTEM) or {}).get("data") or {}
    except Forbidden:
        data = {}
    return Surroundings(data.get("registry", ""), domain=data.get("domain", "localhost"), url_port=int(data.get("http-port", "80")))


async def _visible(client: "Client", resource: "Resource", namespace: str) -> list[Object]:
    for space in (None, namespace):
        try:
            return (await client.list_all(resource, space)).items
        except Forbidden:
            continue
    return []
