"""Commands about deployed apps."""

import asyncio
import contextlib
import sys
import time
import webbrowser
from typing import Any

import click

from pilothouse.cli import output
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

APP = click.argument("app")


async def _app(client: Any, name: str, namespace: str) -> Object:
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.apps.types import APPS

    try:
        found: Object = await client.get(APPS, name, namespace)
    except NotFound as error:
        raise click.ClickException(f"there is no app {name} in namespace {namespace}: `ph apps -A` lists all") from error
    return found


@click.command()
@NAMESPACE
@click.option("-A", "--all-namespaces", is_flag=True, help="List the apps of all namespaces.")
@output.OUTPUT
@pass_session
def apps(session: Session, namespace: str, all_namespaces: bool, output: str) -> None:
    """List the apps.

    \b
    Examples:
      ph apps
      ph apps -A -o json
    """
    run(_apps(session, None if all_namespaces else namespace, output))


async def _apps(session: Session, namespace: str | None, how: str) -> None:
    from pilothouse.model import meta
    from pilothouse.platform.apps.types import APPS

    async with connected(session) as client:
        found = (await client.list_all(APPS, namespace)).items
    if how != "table":
        output.document(found, how)
        return
    if not found:
        output.note("no apps yet: deploy one with `ph deploy PATH`")
        return
    rows = []
    for app in found:
        status = app.get("status") or {}
        ready = meta.condition(app, "Ready") or {}
        state = "Ready" if ready.get("status") == "True" else ready.get("reason", "Pending")
        replicas = f"{status.get('readyReplicas', 0)}/{app['spec'].get('replicas', 1)}"
        row = [meta.name(app), state, replicas, status.get("revision"), status.get("url"), _age(app)]
        rows.append(row if namespace is not None else [meta.namespace(app), *row])
    headings = ["name", "state", "replicas", "revision", "url", "age"]
    output.table(headings if namespace is not None else ["namespace", *headings], rows)


def _age(obj: Object) -> str:
    from pilothouse.model.meta import parse_rfc3339

    created = parse_rfc3339(obj["metadata"]["creationTimestamp"])
    return output.age(time.time() - created) if created is not None else ""


@click.command()
@APP
@NAMESPACE
@click.option("-f", "--follow", is_flag=True, help="Go on as more is printed.")
@click.option("--tail", type=click.IntRange(0), default=200, show_default=True, help="Lines of each replica to begin with.")
@click.option("--previous", is_flag=True, help="Show the logs of the previous containers.")
@click.option("--build", is_flag=True, help="Show the log of the newest build.")
@pass_session
def logs(session: Session, app: str, namespace: str, follow: bool, tail: int, previous: bool, build: bool) -> None:
    """Print an app's logs; with several replicas each line says whose it is.

    \b
    Examples:
      ph logs shop -f
      ph logs shop --build
    """
    run(_logs(session, app, namespace, follow, tail, previous, build))


async def _logs(session: Session, name: str, namespace: str, follow: bool, tail: int, previous: bool, build: bool) -> None:
    from pilothouse.aio.tasks import scope
    from pilothouse.model import kinds, meta

    async with connected(session) as client:
        app = await _app(client, name, namespace)
        if build:
            from pilothouse.cli.apps.build_log import print_kept_log

            name = (app.get("status") or {}).get("build", "")
            if await print_kept_log(client, name, namespace, tail):
                return
            pods = [f"{name}-build"]
        else:
            found = (await client.list_all(kinds.PODS, namespace, label_selector=f"apps.pilothouse.dev/app={name}")).items
            pods = sorted(meta.name(pod) for pod in found if (pod.get("status") or {}).get("phase") != "Pending")
        if not pods:
            raise click.ClickException(f"{name} has no running replica: `ph why {name}` says why")
        async with scope() as tasks:
            for pod in pods:
                prefix = f"{pod} | " if len(pods) > 1 else ""
                tasks.spawn(_print_log(client, pod, namespace, "build" if build else "app", prefix, follow, tail, previous))


async def _print_log(client: Any, pod: str, namespace: str, container: str, prefix: str, follow: bool, tail: int, previous: bool) -> None:
    rest = b""
    options = {"container": container, "follow": follow, "tail_lines": tail, "previous": previous}
    async with client.logs(pod, namespace, **options) as pieces:
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                sys.stdout.buffer.write(prefix.encode() + line + b"\n")
            sys.stdout.buffer.flush()
    if rest:
        sys.stdout.buffer.write(prefix.encode() + rest + b"\n")
        sys.stdout.buffer.flush()


@click.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace to work in.")
@click.argument("app")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_session
def exec_(session: Session, namespace: str, app: str, command: tuple[str, ...]) -> None:
    """Run a command in an app's container; a shell when none is given.

    \b
    Examples:
      ph exec shop
      ph exec shop python -c 'print(1)'
    """
    from pilothouse.cli.cluster.kube import kubectl_exec

    words = command[1:] if command[:1] == ("--",) else command
    pod = run(_one_pod(session, app, namespace))
    sys.exit(kubectl_exec(session, namespace, pod, list(words) or ["/bin/sh"]))


async def _one_pod(session: Session, name: str, namespace: str) -> str:
    from pilothouse.model import kinds, meta

    async with connected(session) as client:
        await _app(client, name, namespace)
        found = (await client.list_all(kinds.PODS, namespace, label_selector=f"apps.pilothouse.dev/app={name}")).items
    running = sorted(meta.name(p) for p in found if (p.get("status") or {}).get("phase") == "Running" and not meta.is_deleting(p))
    if not running:
        raise click.ClickException(f"{name} has no running replica: `ph why {name}` says why")
    return running[0]


@click.command()
@click.argument("targets", metavar="APP=REPLICAS...", nargs=-1, required=True)
@NAMESPACE
@click.option("--wait/--no-wait", default=True, help="Wait until the replicas are ready.")
@pass_session
def scale(session: Session, targets: tuple[str, ...], namespace: str, wait: bool) -> None:
    """Change the number of replicas.

    \b
    Examples:
      ph scale web=3
      ph scale web=2 worker=5
    """
    wanted: dict[str, int] = {}
    for target in targets:
        name, _, count = target.partition("=")
        if not name or not count.isdigit():
            raise click.UsageError(f"{target!r} is not APP=REPLICAS, such as web=3")
        wanted[name] = int(count)
    run(_scale(session, wanted, namespace, wait))


async def _scale(session: Session, wanted: dict[str, int], namespace: str, wait: bool) -> None:
    from pilothouse.platform.apps.types import APPS

    async with connected(session) as client:
        for name in wanted:
            await _app(client, name, namespace)
        for name, count in wanted.items():
            await client.patch(APPS, name, {"spec": {"replicas": count}}, namespace=namespace)
        for name, count in wanted.items():
            if wait:
                await _until(client, name, namespace, lambda app, count=count: (app.get("status") or {}).get("readyReplicas", 0) == count)
            click.echo(f"{name} has {count} replica{'' if count == 1 else 's'}")


async def _until(client: Any, name: str, namespace: str, reached: Any, timeout_s: float = 300) -> Object:
    try:
        async with asyncio.timeout(timeout_s):
            while not reached(app := await _app(client, name, namespace)):
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise click.ClickException(f"{name} is not there after {timeout_s:g} s: `ph why {name}` says what it waits for") from error
    return app


@click.command()
@APP
@NAMESPACE
@click.option("--to", "number", type=click.IntRange(1), help="The revision to go back to (default: the one before).")
@click.option("--list", "show", is_flag=True, help="List the revisions that are kept, and stop (as -o says).")
@output.OUTPUT
@pass_session
def rollback(session: Session, app: str, namespace: str, number: int | None, show: bool, output: str) -> None:
    """Go back to an earlier revision.

    \b
    Examples:
      ph rollback shop --list
      ph rollback shop
      ph rollback shop --to 3
    """
    run(_rollback(session, app, namespace, number, show, output))


async def _rollback(session: Session, name: str, namespace: str, number: int | None, show: bool, how: str) -> None:
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.platform.apps.objects import ROLLED_FIELDS

    async with connected(session) as client:
        app = await _app(client, name, namespace)
        kept = (app.get("status") or {}).get("revisions") or []
        if show:
            _show_revisions(kept, how)
            return
        current = (app.get("status") or {}).get("revision", 0)
        earlier = [r["number"] for r in kept if r["number"] != current]
        target = number if number is not None else max((n for n in earlier if n < current), default=None)
        if target is None or target not in {r["number"] for r in kept}:
            listed = ", ".join(str(n) for n in earlier) or "none"
            raise click.ClickException(f"{name} has no revision {target or 'before this one'} to go back to; kept are: {listed}")
        state = await _remembered(client, app, target)
        spec = {key: value for key, value in app["spec"].items() if key not in ROLLED_FIELDS} | state
        rollout = Rollout(client, app | {"spec": spec}, app)
        await rollout.apply()
        await rollout.follow(300)


async def _remembered(client: Any, app: Object, number: int) -> Object:
    """The part of the spec that the revision keeps."""
    from pilothouse.model import kinds, meta

    found = (await client.list_all(kinds.CONTROLLERREVISIONS, meta.namespace(app))).items
    for revision in found:
        owner = meta.controller_of(revision)
        if owner is not None and owner["uid"] == meta.uid(app) and revision["revision"] == number:
            state: Object = revision["data"]["spec"]
            return state
    raise click.ClickException(f"revision {number} of {meta.name(app)} is gone")


def _show_revisions(kept: list[Object], how: str) -> None:
    if how != "table":
        output.document(kept, how)
    else:
        output.table(["revision", "created", "image", "note"], [[r["number"], r["createdAt"], r["image"], r.get("note")] for r in kept])


@click.command(name="open")
@APP
@NAMESPACE
@click.option("--print", "only_print", is_flag=True, help="Print the URL and open nothing.")
@pass_session
def open(session: Session, app: str, namespace: str, only_print: bool) -> None:
    """Print or open an app's URL.

    \b
    Examples:
      ph open shop
      curl $(ph open shop --print)
    """

    async def url() -> str:
        async with connected(session) as client:
            found: str = ((await _app(client, app, namespace)).get("status") or {}).get("url", "")
            return found

    address = run(url())
    if not address:
        raise click.ClickException(f"{app} has no URL yet: `ph why {app}` says what it waits for")
    click.echo(address)
    if not only_print and sys.stdout.isatty():
        webbrowser.open(address)


@click.command()
@APP
@NAMESPACE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, app: str, namespace: str, yes: bool) -> None:
    """Remove an app with its revisions, builds and route.

    \b
    Example:
      ph delete shop --yes
    """
    run(_delete(session, app, namespace, yes))


async def _delete(session: Session, name: str, namespace: str, yes: bool) -> None:
    from pilothouse.cli.apps.deploy import secret_name
    from pilothouse.model import kinds
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.apps.types import APPS

    async with connected(session) as client:
        await _app(client, name, namespace)
        if not yes:
            click.confirm(f"remove {name}, its revisions and its route?", abort=True)
        await client.delete(APPS, name, namespace, propagation="Foreground")
        with contextlib.suppress(NotFound):
            await client.delete(kinds.SECRETS, secret_name(name), namespace)
        async with asyncio.timeout(120):
            while await client.get_or_none(APPS, name, namespace) is not None:
                await asyncio.sleep(0.1)
    click.echo(f"{name} is removed")
