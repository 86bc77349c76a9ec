"""`ph compose up`: the services of a compose file as apps that reach each other by their names."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.apps.wish import Prepared, Wish
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.platform.compose.project import Project
    from pilothouse.platform.compose.service import Service

MOST_BYTES = 1_000_000
"""Of a file that a compose file is read from or refers to."""


@click.group()
def compose() -> None:
    """Deploy what a compose file describes.

    \b
    Example:
      ph compose up
    """


@compose.command()
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-f", "--file", "name", metavar="FILE", help="The compose file inside the folder (default: compose.yaml and its like).")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Take the services of this profile too; may be repeated.")
@click.option("-y", "--yes", is_flag=True, help="Replace apps of the services' names that came from elsewhere, without asking.")
@NAMESPACE
@TIMEOUT
@pass_session
def up(session: Session, folder: Path, name: str | None, profiles: tuple[str, ...], yes: bool, namespace: str, timeout: float) -> None:
    """Deploy the services of a compose file, each after those that it depends on.

    An app has the name of its service, by which the others reach it. A service with `ports` has a URL too. Named volumes become volumes of
    the apps, of the size that `x-size` says.

    \b
    Examples:
      ph compose up
      ph compose up ./shop -f docker-compose.prod.yml --profile worker
    """
    found = read_project(folder, name, profiles)
    for note in found.notes:
        output.note(note)
    run(_up(session, folder, found, namespace, timeout, yes=yes))


def read_project(folder: Path, name: str | None, profiles: tuple[str, ...]) -> "Project":
    from pilothouse.platform.compose.project import FILES, project
    from pilothouse.platform.compose.values import ComposeError

    chosen = name or next((each for each in FILES if (folder / each).is_file()), None)
    if chosen is None:
        raise click.ClickException(f"{folder} has none of {', '.join(FILES)}: name the file with -f")
    try:
        return project(chosen, lambda path: _read(folder, path), os.environ, profiles)
    except ComposeError as error:
        raise click.ClickException(str(error)) from error


def _read(folder: Path, path: str) -> str | None:
    """A file inside the folder; what leads out of it is not read."""
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()) or not found.is_file() or found.stat().st_size > MOST_BYTES:
        return None
    return found.read_text(encoding="utf-8-sig", errors="replace")


async def _up(session: Session, folder: Path, project: "Project", namespace: str, timeout_s: float, *, yes: bool) -> None:
    from pilothouse.cli.apps.lookup import require_namespace

    async with connected(session) as client:
        await require_namespace(client, namespace)
        for service in project.services:
            await _deploy(client, service, wished(service, folder, namespace), timeout_s, yes=yes)


def wished(service: "Service", folder: Path, namespace: str) -> Wish:
    return Wish(
        where=str(folder / service.context),
        name=service.name,
        namespace=namespace,
        port=service.port,
        replicas=service.replicas,
        env=service.env,
        build_args=service.build_args,
        dockerfile=service.dockerfile,
        target=service.target,
        cpu=service.cpu,
        memory=service.memory,
        health=service.health,
        image=service.image or None,
        command=service.command,
        args=service.args,
        volumes=service.volumes,
        internal=not service.published,
        origin=f"compose {folder.resolve()}:{service.name}",
    )


def settled(wish: Wish, prepared: Prepared, service: "Service") -> tuple[Wish, Prepared]:
    """A service runs one process, that of the file; without a port in the file or the Dockerfile it has none."""
    has_port = service.port is not None or prepared.port is not None
    return (wish if has_port else replace(wish, port=0)), replace(prepared, processes={}, environment={}, health="")


async def _deploy(client: "Client", service: "Service", wish: Wish, timeout_s: float, *, yes: bool) -> None:
    from pilothouse.cli.apps import origin
    from pilothouse.cli.apps.following import followed
    from pilothouse.cli.apps.hosts import require_free_hosts
    from pilothouse.cli.apps.prepare import NOTHING, prepare, upload
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.cli.apps.stand_in import built_instead
    from pilothouse.cli.apps.volumes.hints import hints
    from pilothouse.cli.apps.volumes.said import require_volumes
    from pilothouse.cli.apps.wish import app
    from pilothouse.platform.apps.resource import APPS

    before = await client.get_or_none(APPS, wish.name, wish.namespace)
    origin.confirm(before, wish.origin, yes=yes, otherwise="call the service by another name")
    had = (before or {}).get("spec") or {}
    wish = replace(wish, unset=tuple(key for key in had.get("env") or {} if key not in service.env))
    wish = replace(wish, unmounted=tuple(name for name in had.get("volumes") or {} if name not in service.volumes))
    async with AsyncExitStack() as stack:
        wish = await built_instead(client, wish, stack)
        wish, prepared = settled(wish, NOTHING if wish.image else prepare(wish), service)
        sketch = app(wish, prepared, before, None)
        await require_free_hosts(client, sketch, before)
        for line in await require_volumes(client, sketch, before, undone="not deployed"):
            output.note(line)
        place = await upload(client, wish, prepared.tree) if prepared.tree is not None else None
    rollout = Rollout(client, app(wish, prepared, before, place), before)
    changed = await rollout.apply()
    output.note(f"deploying {wish.name}" if changed else f"{wish.name} is as asked for already; nothing has changed")
    done = await followed(client, rollout, None, timeout_s)
    for line in await hints(client, done):
        output.note(line)
    _print_place(wish.name, done.get("status") or {})


def _print_place(name: str, status: Mapping[str, str]) -> None:
    if status.get("url"):
        click.echo(f"{name} {status['url']}")
