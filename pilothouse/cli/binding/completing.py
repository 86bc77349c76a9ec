"""What an app is bound to, for shell completion."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pilothouse.cli.names import completing

if TYPE_CHECKING:
    from pilothouse.client.client import Client


async def _bound_services(client: "Client", context: click.Context) -> Iterable[str]:
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of
    from pilothouse.platform.databases.resource import BINDINGS

    found = (await client.list_all(BINDINGS, context.params.get("namespace") or "default")).items
    return [service_of(each) for each in found if context.params.get("app") in (None, app_of(each))]


bound_services = completing(_bound_services)
