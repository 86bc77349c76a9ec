"""`ph delete`: apps with everything that was made for them."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pilothouse.aio.tasks import each
from pilothouse.cli import asking, names, output
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

AT_ONCE = 8
"""Requests under way together, of a command that is given many apps."""


@click.command()
@click.argument("apps", metavar="APP...", shell_complete=names.apps, nargs=-1, required=True)
@NAMESPACE
@click.option("--volumes", "with_volumes", is_flag=True, help="Remove their volumes too, with all that is in them.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=120, show_default=True, metavar="SECONDS", help="How long to wait until they are gone."
)
@pass_session
def delete(session: Session, apps: tuple[str, ...], namespace: str, with_volumes: bool, yes: bool, timeout: float) -> None:
    """Remove apps with their revisions, builds, secrets and routes. Volumes are kept, and found again by an app of the same name.

    \b
    Examples:
      ph delete shop
      ph delete shop blog --yes
      ph delete shop --volumes
    """
    run(_delete(session, tuple(dict.fromkeys(apps)), namespace, with_volumes, yes, timeout))


async def _delete(session: Session, names: tuple[str, ...], namespace: str, with_volumes: bool, yes: bool, timeout_s: float) -> None:
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.volumes.command import remove

    async with connected(session) as client:
        await each([find_app(client, name, namespace) for name in names], limit=AT_ONCE)
        claims = await _claims(client, names, namespace, required=with_volumes)
        asking.confirm(f"Remove {_listed(names)} with revisions, secrets and routes?{_fate(claims, gone=with_volumes)}", yes=yes)
        begun = time.monotonic()
        await _remove(client, names, namespace, timeout_s)
        if claims and with_volumes:
            # Not before: a platform that still sees the app would make them anew.
            await remove(client, claims, max(1.0, timeout_s - (time.monotonic() - begun)))
        else:
            _say_kept(claims, namespace)


async def _claims(client: "Client", names: tuple[str, ...], namespace: str, *, required: bool) -> list[Object]:
    """Those that were made for the apps and that no other app mounts. Where they may not be seen, none, unless they are required."""
    from pilothouse.cli.apps.volumes.listed import listed
    from pilothouse.model.errors import Forbidden
    from pilothouse.platform.apps.volumes.claims import app_of

    try:
        found = [one for one in await listed(client, namespace) if app_of(one.claim) in names]
    except Forbidden:
        if required:
            raise
        return []
    shared = {one.document()["name"]: others for one in found if (others := sorted({*one.users} - {*names}))}
    for volume, others in shared.items():
        output.note(f"volume {volume} stays: {_listed(others)} mounts it as well")
    return [one.claim for one in found if one.document()["name"] not in shared]


def _fate(claims: Sequence[Object], *, gone: bool) -> str:
    from pilothouse.cli.apps.volumes.listed import shown_name
    from pilothouse.model.volumes import requested

    if not claims:
        return ""
    named = _listed([f"{shown_name(claim)} ({requested(claim)})" for claim in claims])
    volumes = f"volume{'' if len(claims) == 1 else 's'} {named}"
    return f" All that is in {volumes} goes with it, for good." if gone else f" The {volumes} {'is' if len(claims) == 1 else 'are'} kept."


def _say_kept(claims: Sequence[Object], namespace: str) -> None:
    from pilothouse.cli.apps.volumes.listed import shown_name

    for claim in claims:
        name = shown_name(claim)
        remove = copyable(f"volumes delete {name}", namespace)
        output.note(f"volume {name} is kept, and an app of the same name finds it again with --volume: `{remove}` removes it")


async def _remove(client: "Client", names: tuple[str, ...], namespace: str, timeout_s: float) -> None:
    """All of them at once: each takes as long as its replicas take to end."""
    waiting, left = output.Waiting(), list(names)
    await each([_begin(client, name, namespace) for name in names], limit=AT_ONCE)
    try:
        async with asyncio.timeout(timeout_s):
            while left := await _present(client, left, namespace):
                waiting.show(await _being_removed(client, left, namespace))
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        listed, are = _listed(left), "is" if len(left) == 1 else "are"
        again = copyable("apps", namespace)
        raise click.ClickException(
            f"{listed} {are} being removed and {are} not gone after {timeout_s:g} s: look again with `{again}`"
        ) from error
    finally:
        waiting.clear()
        for name in names:
            if name not in left:
                click.echo(f"{name} is removed")


async def _begin(client: "Client", name: str, namespace: str) -> None:
    from pilothouse.cli.apps.own_secret import secret_name
    from pilothouse.cli.apps.repository import git_secret_name
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.apps.resource import APPS

    with contextlib.suppress(NotFound):
        await client.delete(APPS, name, namespace, propagation="Foreground")
    for secret in (secret_name(name), git_secret_name(name)):
        await _remove_secret(client, name, namespace, secret)


async def _present(client: "Client", names: list[str], namespace: str) -> list[str]:
    from pilothouse.platform.apps.resource import APPS

    found = await each([client.get_or_none(APPS, name, namespace) for name in names], limit=AT_ONCE)
    return [name for name, app in zip(names, found, strict=True) if app is not None]


async def _being_removed(client: "Client", names: list[str], namespace: str) -> str:
    from pilothouse.cli.apps.lookup import pods_of

    pods = sum(map(len, await each([pods_of(client, name, namespace) for name in names], limit=AT_ONCE)))
    ending = f": {pods} replicas are ending" if pods else ""
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'} being removed{ending}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


async def _remove_secret(client: "Client", app: str, namespace: str, name: str) -> None:
    """One that somebody else made under this name stays, and that is said."""
    from pilothouse.cli.apps.own_secret import is_own
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import NotFound

    found = await client.get_or_none(kinds.SECRETS, name, namespace)
    if found is None:
        return
    if not is_own(found, app):
        output.note(f"the Secret {name} was not made for {app} by `ph` and stays")
        return
    with contextlib.suppress(NotFound):
        await client.delete(kinds.SECRETS, name, namespace, uid=meta.uid(found))
