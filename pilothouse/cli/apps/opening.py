"""`ph open`: an app's URL."""

import sys
import webbrowser

import click

from pilothouse.cli import names
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object


@click.command(name="open")
@click.argument("app", shell_complete=names.apps)
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
    address = url_of(run(_app(session, app, namespace)))
    click.echo(address)
    if not only_print and sys.stdout.isatty():
        webbrowser.open(address)


async def _app(session: Session, name: str, namespace: str) -> Object:
    from pilothouse.cli.apps.lookup import find_app

    async with connected(session) as client:
        return await find_app(client, name, namespace)


def url_of(app: Object) -> str:
    """Raises ClickException when there is none (yet)."""
    from pilothouse.platform.apps import processes

    name = app["metadata"]["name"]
    found: str = (app.get("status") or {}).get("url", "")
    if found:
        return found
    if processes.has_port(app) and not processes.has_route(app):
        raise click.ClickException(f"{name} is internal and has no URL; other apps reach it as http://{name}")
    if not processes.has_route(app):
        raise click.ClickException(
            f"{name} has no port and so no URL: `{copyable(f'logs {name}', meta.namespace(app))}` shows what it does"
        )
    raise click.ClickException(f"{name} has no URL yet: `{copyable(f'why {name}', meta.namespace(app))}` says what it waits for")
