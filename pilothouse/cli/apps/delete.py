"""`ph delete`: apps with everything that was made for them."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import click

from pilothouse.cli import asking, names, output
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run

if TYPE_CHECKING:
    from pilothouse.client.client import Client


@click.command()
@click.argument("apps", metavar="APP...", shell_complete=names.apps, nargs=-1, required=True)
@NAMESPACE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=120, show_default=True, metavar="SECONDS", help="How long to wait until each is gone."
)
@pass_session
def delete(session: Session, apps: tuple[str, ...], namespace: str, yes: bool, timeout: float) -> None:
    """Remove apps with their revisions, builds, secrets and routes.

    \b
    Examples:
      ph delete shop
      ph delete shop blog --yes
    """
    run(_delete(session, tuple(dict.fromkeys(apps)), namespace, yes, timeout))


async def _delete(session: Session, names: tuple[str, ...], namespace: str, yes: bool, timeout_s: float) -> None:
    from pilothouse.cli.apps.lookup import find_app

    async with connected(session) as client:
        for name in names:
            await find_app(client, name, namespace)
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        asking.confirm(f"Remove {listed} with revisions, secrets and routes?", yes=yes)
        for name in names:
            await _remove(client, name, namespace, timeout_s)


async def _remove(client: "Client", name: str, namespace: str, timeout_s: float) -> None:
    from pilothouse.cli.apps.lookup import pods_of
    from pilothouse.cli.apps.own_secret import secret_name
    from pilothouse.cli.apps.repository import git_secret_name
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.apps.resource import APPS

    with contextlib.suppress(NotFound):
        await client.delete(APPS, name, namespace, propagation="Foreground")
    for secret in (secret_name(name), git_secret_name(name)):
        await _remove_secret(client, name, namespace, secret)
    waiting = output.Waiting()
    try:
        async with asyncio.timeout(timeout_s):
            while await client.get_or_none(APPS, name, namespace) is not None:
                left = len(await pods_of(client, name, namespace))
                waiting.show(f"{name} is being removed{f': {left} replicas are ending' if left else ''}")
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise click.ClickException(
            f"{name} is being removed and is not gone after {timeout_s:g} s: look again with `{copyable('apps', namespace)}`"
        ) from error
    finally:
        waiting.clear()
    click.echo(f"{name} is removed")


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
