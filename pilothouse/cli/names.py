"""What can stand in a command's place, for shell completion: apps, namespaces, processes, variables, volumes, pods, services, settings.

A completion never says why there is nothing to offer: a cluster that does not answer at once has no names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli.settings.home import Home

if TYPE_CHECKING:
    from pilothouse.cli.session import Session
    from pilothouse.client.client import Client
    from pilothouse.model.json import Object

PATIENCE_S = 2.0

Find = Callable[["Client", click.Context], Awaitable[Iterable[str]]]
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def session_of(context: click.Context) -> "Session":
    """The session that the words before would make: no command runs while its words are completed."""
    from pilothouse.cli.session import Session

    given = context.find_root().params
    return Session(Home.chosen(given.get("home")), given.get("kubeconfig"), verbose=False)


def completing(find: Find) -> Complete:
    def complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        already = context.params.get(param.name or "")
        taken = already if isinstance(already, tuple) else ()
        return sorted(name for name in _found(context, find) if name.startswith(incomplete) and name not in taken)

    return complete


def _found(context: click.Context, find: Find) -> list[str]:
    from pilothouse.cli.session import connected
    from pilothouse.client.kubeconfig import KubeconfigError
    from pilothouse.model.errors import ApiError

    async def ask() -> list[str]:
        async with asyncio.timeout(PATIENCE_S), connected(session_of(context)) as client:
            return list(await find(client, context))

    try:
        return asyncio.run(ask())
    except (ApiError, KubeconfigError, click.ClickException, OSError):
        return []


def _namespace(context: click.Context) -> str:
    return context.params.get("namespace") or "default"


async def _apps(client: "Client", context: click.Context) -> list[str]:
    from pilothouse.platform.apps.resource import APPS

    return [each["metadata"]["name"] for each in (await client.list_all(APPS, _namespace(context))).items]


async def _namespaces(client: "Client", context: click.Context) -> list[str]:
    from pilothouse.model.kinds import NAMESPACES

    return [each["metadata"]["name"] for each in (await client.list_all(NAMESPACES)).items]


async def _named_app(client: "Client", context: click.Context) -> "Object":
    from pilothouse.platform.apps.resource import APPS

    # Where an option's value is completed, click has left the words before it unassigned.
    name = context.params.get("app") or next(iter(context.args), "-")
    return await client.get_or_none(APPS, name, _namespace(context)) or {"spec": {}}


async def _processes(client: "Client", context: click.Context) -> list[str]:
    app = await _named_app(client, context)
    return ["web", *(app["spec"].get("processes") or ())] if app["spec"] else []


async def _variables(client: "Client", context: click.Context) -> list[str]:
    env: Any = (await _named_app(client, context))["spec"].get("env") or {}
    return list(env) if isinstance(env, dict) else [each["name"] for each in env]


async def _volumes_of_app(client: "Client", context: click.Context) -> list[str]:
    """Of the app that --name says, else of all apps: a folder's name is not looked at."""
    from pilothouse.platform.apps.resource import APPS

    named = context.params.get("name")
    found = (await client.list_all(APPS, _namespace(context))).items
    chosen = [each for each in found if named in (None, each["metadata"]["name"])]
    return [volume for each in chosen for volume in (each["spec"].get("volumes") or ())]


async def _volumes(client: "Client", context: click.Context) -> list[str]:
    """As `ph volumes delete` takes them."""
    from pilothouse.cli.apps.volumes.listed import made_claims, shown_name

    return [shown_name(claim) for claim in await made_claims(client, _namespace(context))]


async def _senders(client: "Client", context: click.Context) -> list[str]:
    """Pods out of which `ph trace` can send."""
    from pilothouse.model.kinds import PODS

    found = (await client.list_all(PODS, _namespace(context))).items
    running = [each for each in found if (each.get("status") or {}).get("phase") == "Running" and not each["spec"].get("hostNetwork")]
    return [f"pod/{each['metadata']['name']}" for each in running]


async def _receivers(client: "Client", context: click.Context) -> list[str]:
    """Services and pods to which `ph trace` can send."""
    from pilothouse.model.kinds import PODS, SERVICES

    namespace = context.params.get("to_namespace") or _namespace(context)
    services, pods = (await client.list_all(SERVICES, namespace)).items, (await client.list_all(PODS, namespace)).items
    return [*(f"svc/{each['metadata']['name']}" for each in services), *(f"pod/{each['metadata']['name']}" for each in pods)]


apps = completing(_apps)
namespaces = completing(_namespaces)
processes = completing(_processes)
receivers = completing(_receivers)
senders = completing(_senders)
variables = completing(_variables)
volumes = completing(_volumes)
volumes_of_app = completing(_volumes_of_app)


def settings(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The keys of `ph config`."""
    from pilothouse.platform.builds.environment.keys import KEYS

    return [key for key in KEYS if key.startswith(incomplete)]
