"""`ph mysql list`: the instances with their states."""

import time

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import standing
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

HEADINGS = ("name", "state", "ready", "primary", "version", "cpu", "memory", "size", "host", "age")


@click.command(name="list")
@NAMESPACE
@click.option("-A", "--all-namespaces", is_flag=True, help="List the instances of all namespaces.")
@output.OUTPUT
@pass_session
def list_(session: Session, namespace: str, all_namespaces: bool, output: str) -> None:
    """List the instances.

    \b
    Examples:
      ph mysql list
      ph mysql list -A -o json
    """
    run(_list(session, None if all_namespaces else namespace, output))


async def _list(session: Session, namespace: str | None, how: str) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.platform.databases.resource import MYSQLS

    async with connected(session) as client:
        found = (await client.list_all(MYSQLS, namespace)).items
        if not found and namespace is not None:
            await require_namespace(client, namespace)
    if how != "table":
        output.document(found, how)
    elif not found:
        output.note(f"no instances yet: make one with `{copyable('mysql create NAME', namespace or 'default')}`")
    else:
        prefix = ["namespace"] if namespace is None else []
        output.table([*prefix, *HEADINGS], [[*([meta.namespace(each)] if prefix else []), *_row(each)] for each in found])


def _row(instance: Object) -> list[object]:
    spec, said = instance["spec"], standing.status(instance)
    resources = spec.get("resources") or {}
    counted = f"{said.get('readyReplicas', 0)}/{0 if spec.get('suspended') else spec.get('replicas', 1)}"
    given = [resources.get("cpu"), resources.get("memory"), spec.get("size")]
    return [
        meta.name(instance),
        coloured(instance),
        counted,
        said.get("primary"),
        said.get("version"),
        *given,
        said.get("host"),
        age(instance),
    ]


def coloured(instance: Object) -> str:
    """Its phase: green for what is well, yellow for what is on its way or rests, red for what is wrong."""
    found = standing.phase(instance)
    return output.good(found) if found in standing.WELL else output.half(found) if found in standing.WORKING else output.bad(found)


def age(obj: Object) -> str:
    created = obj["metadata"].get("creationTimestamp")
    return output.age(time.time() - meta.parse_rfc3339(created)) if created else ""
