"""`ph delete`: apps with everything that was made for them."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import click

from pilothouse.cli import asking, names
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run

if TYPE_CHECKING:
    from pilothouse.client.client import Client

DEADLINE_S = 120


@click.command()
@click.argument("apps", metavar="APP...", shell_complete=names.apps, nargs=-1, required=True)
@NAMESPACE
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, apps: tuple[str, ...], namespace: str, yes: bool) -> None:
    """Remove apps with their revisions, builds, secrets and routes.

    \b
    Examples:
      ph delete shop
      ph delete shop blog --yes
    """
    run(_delete(session, tuple(dict.fromkeys(apps)), namespace, yes))


async def _delete(session: Session, names: tuple[str, ...], namespace: str, yes: bool) -> None:
    from pilothouse.cli.apps.lookup import find_app

    async with connected(session) as client:
        for name in names:
            await find_app(client, name, namespace)
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        asking.confirm(f"Remove {listed} with revisions, secrets and routes?", yes=yes)
        for name in names:
            await _remove(client, name, namespace)


async def _remove(client: "Client", name: str, namespace: str) -> None:
    from pilothouse.cli.apps.own_secret import secret_name
    from pilothouse.cli.apps.repository import git_secret_name
    from pilothouse.model import kinds
    from pilothouse.model.errors import NotFound
    from pilothouse.platform.apps.resource import APPS

    with contextlib.suppress(NotFound):
        await client.delete(APPS, name, namespace, propagation="Foreground")
    for secret in (secret_name(name), git_secret_name(name)):
        with contextlib.suppress(NotFound):
            await client.delete(kinds.SECRETS, secret, namespace)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await client.get_or_none(APPS, name, namespace) is not None:
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise click.ClickException(
            f"{name} is being removed and is not gone after {DEADLINE_S} s: look again with `{copyable('apps', namespace)}`"
        ) from error
    click.echo(f"{name} is removed")
