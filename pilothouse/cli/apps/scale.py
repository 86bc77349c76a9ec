"""`ph scale`: how many replicas of an app's processes run."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from pilothouse.aio.tasks import scope
from pilothouse.cli import names, output
from pilothouse.cli.apps.autoscale import MOST, PERCENT, autoscaled, shown, single_app
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, placed, run
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

POLL_S = 0.1
Counts = dict[str, dict[str, int]]
"""App -> process -> replicas."""


@click.command()
@click.argument("targets", metavar="APP=REPLICAS... | APP PROCESS=REPLICAS... | APP", shell_complete=names.apps, nargs=-1, required=True)
@NAMESPACE
@click.option("--min", "least", type=click.IntRange(1, MOST), help="The fewest replicas, for an app that scales with its load.")
@click.option("--max", "most", type=click.IntRange(1, MOST), help="The most replicas; the load decides how many there are.")
@click.option(
    "--cpu", type=PERCENT, metavar="PERCENT", help="How much each replica is to use of its CPU limit, or of one core without one."
)
@click.option("--memory", type=PERCENT, metavar="PERCENT", help="Likewise of its memory limit.")
@click.option("--wait/--no-wait", default=True, help="Wait until the replicas are ready.")
@click.option("--timeout", type=click.FloatRange(1), default=300, show_default=True, metavar="SECONDS", help="How long to wait.")
@pass_session
def scale(
    session: Session,
    targets: tuple[str, ...],
    namespace: str,
    least: int | None,
    most: int | None,
    cpu: int | None,
    memory: int | None,
    wait: bool,
    timeout: float,
) -> None:
    """Change the number of replicas, or let the load decide it.

    A number takes the place of what the load has decided so far.

    \b
    Examples:
      ph scale shop=3
      ph scale shop=2 blog=5
      ph scale shop web=2 worker=5
      ph scale shop --min 2 --max 10 --cpu 70%
    """
    asked = {"min": least, "max": most, "cpu": cpu, "memory": memory}
    stated = {name: value for name, value in asked.items() if value is not None}
    timeout_s = timeout if wait else None
    if stated:
        run(_autoscale(session, single_app(targets), stated, namespace, timeout_s))
    else:
        run(_scale(session, wanted_counts(targets), namespace, timeout_s))


def wanted_counts(targets: tuple[str, ...]) -> Counts:
    """A first word without `=` is the app whose processes follow; else each word is an app."""
    if "=" in targets[0]:
        return {name: {"web": count} for name, count in (_split(text, "APP") for text in targets)}
    if len(targets) == 1:
        raise click.UsageError(f"{targets[0]!r} is not APP=REPLICAS, such as {targets[0]}=3")
    return {targets[0]: dict(_split(text, "PROCESS") for text in targets[1:])}


def _split(text: str, what: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    wanted = natural(count)
    if not name or wanted is None or wanted > MOST:
        raise click.UsageError(f"{text!r} is not {what}=REPLICAS, such as {name or 'shop'}=3")
    return name, wanted


async def _scale(session: Session, wanted: Counts, namespace: str, timeout_s: float | None) -> None:
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.volumes.said import require_volumes
    from pilothouse.platform.apps.resource import APPS

    async with connected(session) as client:
        apps, patches = {}, {}
        for name, counts in wanted.items():
            app = apps[name] = await find_app(client, name, namespace)
            patches[name] = patch(app, counts)
            await require_volumes(client, app | {"spec": scaled(app["spec"], patches[name])}, app, undone="not scaled")
        for name, spec in patches.items():
            await client.patch(APPS, name, {"spec": spec}, namespace=namespace)
            if "autoscale" in spec:
                output.note(f"{name} does not scale with its load any more ({shown(apps[name]['spec']['autoscale'])} before)")
        async with scope() as tasks:
            for name, counts in wanted.items():
                tasks.spawn(_follow(client, name, namespace, counts, timeout_s))


async def _autoscale(session: Session, name: str, stated: Mapping[str, int], namespace: str, timeout_s: float | None) -> None:
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.volumes.said import require_volumes
    from pilothouse.platform.apps.resource import APPS

    async with connected(session) as client:
        app = await find_app(client, name, namespace)
        spec = autoscaled(app, stated)
        await require_volumes(client, app | {"spec": app["spec"] | spec}, app, undone="not scaled")
        await client.patch(APPS, name, {"spec": spec}, namespace=namespace)
        if timeout_s is not None:
            await _until(client, name, namespace, lambda app: {"web": app["spec"]["replicas"]}, timeout_s)
    click.echo(f"{name} has {shown(spec['autoscale'])}, as the load asks for")


async def _follow(client: "Client", name: str, namespace: str, counts: Mapping[str, int], timeout_s: float | None) -> None:
    """timeout_s: None: do not wait."""
    if timeout_s is not None:
        await _until(client, name, namespace, lambda _: counts, timeout_s)
    for process, count in counts.items():
        said = name if process == "web" else f"process {process} of {name}"
        click.echo(f"{said} has {count} replica{'' if count == 1 else 's'}")


def patch(app: Object, counts: Mapping[str, int]) -> Object:
    """The change of the spec; raises ClickException for a process that the app has not or that does not run all the time."""
    from pilothouse.model import meta
    from pilothouse.platform.apps import processes

    lasting = [process.name for process in processes.lasting(app)]
    for name in counts:
        if name not in lasting:
            has = f"{meta.name(app)} has: {', '.join(lasting)}"
            ran = name in [process.name for process in processes.of(app)]
            raise click.ClickException(
                f"process {name} does not run all the time and has no replicas; {has}" if ran else f"there is no process {name}; {has}"
            )
    others = {name: {"replicas": count} for name, count in counts.items() if name != processes.WEB}
    web: Object = {"replicas": counts[processes.WEB]} if processes.WEB in counts else {}
    if web and app["spec"].get("autoscale"):
        web["autoscale"] = None
    return web | ({"processes": others} if others else {})


def scaled(spec: Object, change: Object) -> Object:
    """The spec with such a change."""
    now = spec.get("processes") or {}
    changed = {name: (now.get(name) or {}) | counted for name, counted in (change.get("processes") or {}).items()}
    return spec | change | {"processes": now | changed}


async def _until(client: "Client", name: str, namespace: str, counts_of: Callable[[Object], Mapping[str, int]], timeout_s: float) -> None:
    """Until as many replicas are ready as the app is to have; raises ClickException with the reason when they will not be."""
    from pilothouse.cli.apps.lookup import find_app, is_current
    from pilothouse.cli.apps.outlook import Outlook
    from pilothouse.client.client import Client
    from pilothouse.client.retrying import RetryingTransport
    from pilothouse.model import meta

    patient = Client(RetryingTransport(client.transport), field_manager=client.field_manager)
    waiting, outlook = output.Waiting(), Outlook(patient, name, namespace)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                app = await find_app(patient, name, namespace)
                counts = counts_of(app)
                if is_current(app) and all(ready_of(app, process) == count for process, count in counts.items()):
                    return
                if is_current(app):
                    await outlook.refresh()
                if outlook.is_hopeless(meta.generation(app)) and outlook.why is not None:
                    raise click.ClickException(placed(_short(app, counts, outlook.sentence, outlook.why.next_step), namespace=namespace))
                waiting.show(outlook.sentence or (meta.condition(app, "Ready") or {}).get("message") or "waiting for the replicas")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        cause = f"{placed(outlook.sentence, namespace=namespace)}; " if outlook.sentence else ""
        raise click.ClickException(
            f"{name} is not there after {timeout_s:g} s: {cause}`{copyable(f'why {name}', namespace)}` says what it waits for"
        ) from error
    finally:
        waiting.clear()


def ready_of(app: Object, process: str) -> int:
    found = {each["name"]: each.get("readyReplicas", 0) for each in (app.get("status") or {}).get("processes") or ()}
    return int(found.get(process, 0))


def _short(app: Object, counts: Mapping[str, int], cause: str, step: str) -> str:
    has = " and ".join(f"{ready_of(app, process)} of {count} replicas of {process}" for process, count in counts.items())
    return f"{app['metadata']['name']} has {has}, and that stays so: {cause}; {step}"
