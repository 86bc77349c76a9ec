"""`ph logs`: what an app, one of its processes or its build has printed."""

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import names
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

PROCESS = click.option("--process", metavar="NAME", shell_complete=names.processes, help="Only this process, such as worker or release.")

LINES = 200
"""Of each replica, unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose logs, and how. tail: None for all of them. process: None for all that run all the time."""

    name: str
    namespace: str
    follow: bool
    tail: int | None
    previous: bool
    build: bool
    process: str | None


@click.command()
@click.argument("app", shell_complete=names.apps)
@NAMESPACE
@click.option("-f", "--follow", is_flag=True, help="Go on as more is printed, also with the replicas that come.")
@click.option("--tail", type=click.IntRange(0), show_default="200; a build's all", help="Lines of each replica to begin with.")
@click.option("--previous", is_flag=True, help="Show the logs of the previous containers.")
@click.option("--build", is_flag=True, help="Show the log of the newest build.")
@PROCESS
@pass_session
def logs(session: Session, /, app: str, **options: Any) -> None:
    """Print an app's logs; with several replicas each line says whose it is.

    \b
    Examples:
      ph logs shop -f
      ph logs shop --process worker
      ph logs shop --build
    """
    if options["tail"] is None and not options["build"]:
        options["tail"] = LINES
    run(_logs(session, Reading(app, **options)))


async def _logs(session: Session, reading: Reading) -> None:
    from pilothouse.aio.tasks import scope
    from pilothouse.cli.apps.lookup import find_app

    async with connected(session) as client:
        app = await find_app(client, reading.name, reading.namespace)
        if reading.build and await _print_kept_log(client, (app.get("status") or {}).get("build", ""), reading):
            return
        pods = await _pods(client, app, reading)
        if reading.follow and not (reading.build or reading.previous):
            await _follow(client, app, reading)
            return
        async with scope() as tasks:
            for pod in pods:
                tasks.spawn(_print_log(client, pod, reading, f"{pod} | " if len(pods) > 1 else ""))


async def _follow(client: "Client", app: Object, reading: Reading) -> None:
    from pilothouse.cli.apps.follow_logs import follow

    async def show(pod: str, is_new: bool, is_one_of_several: bool) -> None:
        whole = replace(reading, tail=None) if is_new else reading
        await _print_log(client, pod, whole, f"{pod} | " if is_one_of_several else "")

    await follow(client, app, reading.process, show)


async def _pods(client: "Client", app: Object, reading: Reading) -> list[str]:
    from pilothouse.cli.apps.lookup import pods_of, process_of
    from pilothouse.model import meta
    from pilothouse.platform.apps import processes

    if reading.build:
        if not (app.get("status") or {}).get("build"):
            raise click.ClickException(f"{reading.name} runs an image that was not built here")
        return [f"{(app.get('status') or {}).get('build', '')}-build"]
    known = [process.name for process in processes.of(app)]
    if reading.process is not None and reading.process not in known:
        raise click.ClickException(f"{reading.name} has no process {reading.process!r}; it has: {', '.join(known)}")
    found = await pods_of(client, reading.name, reading.namespace, reading.process)
    begun = [pod for pod in found if (pod.get("status") or {}).get("phase") != "Pending"]
    if reading.process is None:
        lasting = {process.name for process in processes.lasting(app)}
        begun = [pod for pod in begun if process_of(pod) in lasting]
    if not begun:
        what = f"process {reading.process} of {reading.name} has not run" if reading.process else f"{reading.name} has no running replica"
        raise click.ClickException(f"{what}: `{copyable(f'why {reading.name}', reading.namespace)}` says why")
    if reading.previous:
        begun = [pod for pod in begun if has_ended_before(pod)]
        if not begun:
            raise click.ClickException(f"no container of {reading.name} has been started again: leave --previous out")
    return [meta.name(pod) for pod in begun]


def has_ended_before(pod: Object) -> bool:
    """Whether there is a log of a container that the pod's app ran in before."""
    return any((status.get("lastState") or {}).get("terminated") for status in (pod.get("status") or {}).get("containerStatuses") or ())


async def _print_kept_log(client: "Client", build: str, reading: Reading) -> bool:
    """The log of a build whose pod is gone; False when it is not kept (yet)."""
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.builds.log import kept_log

    try:
        lines = (await kept_log(client, build, reading.namespace)).splitlines(keepends=True)
    except NotFound:
        return False
    sys.stdout.buffer.write(b"".join(lines if reading.tail is None else lines[len(lines) - min(reading.tail, len(lines)) :]))
    sys.stdout.buffer.flush()
    return True


async def _print_log(client: "Client", pod: str, reading: Reading, prefix: str) -> None:
    rest = b""
    container = "build" if reading.build else "app"
    async with client.logs(
        pod, reading.namespace, container=container, follow=reading.follow, tail_lines=reading.tail, previous=reading.previous
    ) as pieces:
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                sys.stdout.buffer.write(prefix.encode() + line + b"\n")
            sys.stdout.buffer.flush()
    if rest:
        sys.stdout.buffer.write(prefix.encode() + rest + b"\n")
        sys.stdout.buffer.flush()
