"""Apps and namespaces by name, with a sentence and the way out when there is none."""

from typing import TYPE_CHECKING

import click

from pilothouse.cli.session import copyable
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.apps import check
from pilothouse.platform.apps.resource import APPS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

_SHOWN = 10


def earlier_revision(status: Object) -> int:
    """The revision that going back leads to, by an App's status: the newest one before the current that was ready; 0 for none.

    Where the current one is the oldest that is kept, it is the newest of the others.
    """
    current = status.get("revision", 0)
    good = [r["number"] for r in status.get("revisions") or () if r["number"] != current and r.get("served", True)]
    return max((number for number in good if number < current), default=max(good, default=0))


async def find_app(client: "Client", name: str, namespace: str) -> Object:
    if fault := check.name(name):
        raise click.ClickException(f"there is no app {name!r}: {fault}")
    try:
        return await client.get(APPS, name, namespace)
    except NotFound as error:
        raise click.ClickException(await no_app(client, name, namespace)) from error


async def no_app(client: "Client", name: str, namespace: str) -> str:
    """That there is no such app, with those that there are; raises ClickException when there is no such namespace."""
    from difflib import get_close_matches

    await require_namespace(client, namespace)
    missing = f"there is no app {name} in namespace {namespace}"
    known = await _names(client, APPS, namespace)
    if not known:
        return f"{missing}: `{copyable('apps -A')}` lists those of all namespaces"
    if near := get_close_matches(name, known, n=1):
        return f"{missing}: did you mean {near[0]}? `{copyable('apps -A')}` lists all"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"{missing}; there are: {', '.join(known[:_SHOWN])}{more}"


async def _nearest(client: "Client", resource: Resource, name: str, namespace: str | None = None) -> str:
    """The name that is there and is most like this one; "" when none is, or they may not be listed."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, await _names(client, resource, namespace), n=1)), "")


async def _names(client: "Client", resource: Resource, namespace: str | None) -> list[str]:
    """[] also when they may not be listed."""
    try:
        return [meta.name(each) for each in (await client.list_all(resource, namespace)).items]
    except ApiError:
        return []


async def require_namespace(client: "Client", namespace: str) -> None:
    """Raises ClickException when it does not exist. Whether it does may be hidden from the user: then nothing is said."""
    try:
        await client.get(kinds.NAMESPACES, namespace)
    except Forbidden:
        return
    except NotFound as error:
        near = await _nearest(client, kinds.NAMESPACES, namespace)
        meant = f"did you mean {near}? Else " if near else ""
        advice = f"make it with `{copyable(f'kubectl create namespace {namespace}')}`" if _is_label(namespace) else "choose another name"
        raise click.ClickException(f"there is no namespace {namespace!r}: {meant}{advice}") from error


def _is_label(text: str) -> bool:
    return text.isascii() and len(text) <= 63 and text.replace("-", "").isalnum() and text == text.lower().strip("-")


def is_current(app: Object) -> bool:
    """Whether the status speaks of the newest spec."""
    return bool((app.get("status") or {}).get("observedGeneration") == meta.generation(app))


async def pods_of(client: "Client", name: str, namespace: str, process: str | None = None) -> list[Object]:
    """The pods of an app, or of one of its processes, by process and name."""
    from pilothouse.platform.apps.objects import NAME_LABEL
    from pilothouse.platform.apps.workloads import PROCESS_OF

    web = (await client.list_all(kinds.PODS, namespace, label_selector=f"apps.pilothouse.dev/app={name}")).items
    others = (await client.list_all(kinds.PODS, namespace, label_selector=f"{PROCESS_OF}={name},{NAME_LABEL}={name}")).items
    found = [pod for pod in [*web, *others] if process is None or process_of(pod) == process]
    return sorted(found, key=lambda pod: (process_of(pod) != "web", process_of(pod), meta.name(pod)))


def process_of(pod: Object) -> str:
    from pilothouse.platform.apps.workloads import PROCESS

    return meta.labels(pod).get(PROCESS, "web")
