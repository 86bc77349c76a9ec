"""`ph apps`: the apps with their states."""

import time

import click

from pilothouse.cli import output
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object


@click.command()
@NAMESPACE
@click.option("-A", "--all-namespaces", is_flag=True, help="List the apps of all namespaces.")
@click.option(
    "-o", "--output", "how", type=click.Choice(["table", "wide", "json", "yaml"]), default="table", help="How to print the result."
)
@pass_session
def apps(session: Session, namespace: str, all_namespaces: bool, how: str) -> None:
    """List the apps.

    \b
    Examples:
      ph apps
      ph apps -o wide          with processes, volumes and images
      ph apps -A -o json
    """
    run(_apps(session, None if all_namespaces else namespace, how))


async def _apps(session: Session, namespace: str | None, how: str) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.cli.apps.states import standings
    from pilothouse.model import meta
    from pilothouse.platform.apps.resource import APPS

    async with connected(session) as client:
        found = (await client.list_all(APPS, namespace)).items
        if not found and namespace is not None:
            await require_namespace(client, namespace)
        known = await standings(client, found, sentences=how in ("json", "yaml"))
    if how in ("json", "yaml"):
        output.document([app | {"state": each.state, "sentence": each.sentence} for app, each in zip(found, known, strict=True)], how)
        return
    if not found:
        output.note(f"no apps yet: deploy one with `{copyable('deploy PATH', namespace or 'default')}`")
        return
    headings = ["name", "state", "ready", "revision", "url", "age", *(["processes", "volumes", "image"] if how == "wide" else [])]
    rows = [_row(app, each.state, how) for app, each in zip(found, known, strict=True)]
    if namespace is None:
        headings, rows = ["namespace", *headings], [[meta.namespace(app), *row] for app, row in zip(found, rows, strict=True)]
    output.table(headings, rows)


def _row(app: Object, state: str, how: str) -> list[object]:
    from pilothouse.model import meta

    status = app.get("status") or {}
    row = [meta.name(app), coloured(state), counted(app), status.get("revision"), status.get("url"), _age(app)]
    return [*row, processes_of(app), volumes_of(app), short_image(status.get("image", ""))] if how == "wide" else row


def coloured(state: str) -> str:
    """Green for what is well, yellow for what is on its way or rests, red for what is wrong."""
    from pilothouse.cli.apps.states import GOOD, WORKING

    return output.good(state) if state in GOOD else output.half(state) if state in WORKING else output.bad(state)


def counted(app: Object) -> str:
    """`READY/WANTED` over all processes that run all the time."""
    from pilothouse.platform.apps import processes

    status = app.get("status") or {}
    each = status.get("processes") or []
    ready = sum(process.get("readyReplicas", 0) for process in each) if each else status.get("readyReplicas", 0)
    return f"{ready}/{sum(process.replicas for process in processes.lasting(app))}"


def processes_of(app: Object) -> str:
    """`web 2/2 (1 to 5 replicas by CPU at 80%), worker 1/1, nightly @daily`."""
    from pilothouse.cli.apps.autoscale import shown
    from pilothouse.platform.apps import processes

    ready = {each["name"]: each.get("readyReplicas", 0) for each in (app.get("status") or {}).get("processes") or ()}
    asked = app["spec"].get("autoscale")
    by_load = {processes.WEB: f" ({shown(asked)})"} if asked else {}
    lasting = [
        f"{process.name} {ready.get(process.name, 0)}/{process.replicas}{by_load.get(process.name, '')}"
        for process in processes.lasting(app)
    ]
    return ", ".join([*lasting, *(f"{process.name} ({process.schedule})" for process in processes.scheduled(app))])


def volumes_of(app: Object) -> str:
    """`data 2Gi, logs 1Gi (Pending)`; kept ones are no more the app's."""
    shown = [each for each in (app.get("status") or {}).get("volumes") or () if not each.get("kept")]
    return ", ".join(_volume(each) for each in shown)


def _volume(status: Object) -> str:
    size = status.get("capacity") or status.get("requested")
    named = f"{status['name']} {size}" if size else str(status["name"])
    return named if status["phase"] == "Bound" else f"{named} ({status['phase']})"


def short_image(image: str) -> str:
    """`shop@1a2b3c4d5e6f` instead of a registry, a path and 64 digits."""
    name, at, digest = image.partition("@sha256:")
    return f"{name.rpartition('/')[2]}@{digest[:12]}" if at else name.rpartition("/")[2]


def _age(obj: Object) -> str:
    from pilothouse.model.meta import parse_rfc3339

    created = parse_rfc3339(obj["metadata"]["creationTimestamp"])
    return output.age(time.time() - created) if created is not None else ""
