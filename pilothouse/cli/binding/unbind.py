"""`ph unbind`: an app gives its account of a database back."""

from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.binding.completing import bound_services
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client


@click.command()
@click.argument("app", shell_complete=names.apps)
@click.argument("service", shell_complete=bound_services)
@NAMESPACE
@click.option("--force", is_flag=True, help="The account goes at once, although the app may still use it.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--wait/--no-wait", default=True, help="Wait until the app serves without the variables.")
@TIMEOUT
@output.OUTPUT
@pass_session
def unbind(
    session: Session, app: str, service: str, namespace: str, force: bool, dry_run: bool, wait: bool, timeout: float, output: str
) -> None:
    """Take an app's account of a database service back: first out of the app, which is rolled out without it, then out of the service.

    What the app has stored stays. Bound again, it gets another account.

    \b
    Examples:
      ph unbind shop orders
      ph unbind shop orders --dry-run
    """
    run(_unbind(session, app, service, namespace, force=force, dry_run=dry_run, timeout_s=timeout if wait else None, how=output))


async def _unbind(session: Session, app: str, service: str, namespace: str, **how: Any) -> None:
    async with connected(session) as client:
        await unbind_app(client, app, service, namespace, **how)


async def unbind_app(
    client: "Client", app: str, service: str, namespace: str, *, force: bool, dry_run: bool, timeout_s: float | None, how: str
) -> None:
    """timeout_s: None: do not wait. how: table, json or yaml."""
    from pilothouse.cli.binding.bind import document
    from pilothouse.cli.binding.following import Following
    from pilothouse.cli.binding.lookup import find_binding
    from pilothouse.cli.session import copyable
    from pilothouse.model import meta
    from pilothouse.platform.databases.resource import BINDINGS

    found = await find_binding(client, app, service, namespace)
    if dry_run:
        await _announce(client, found, how)
        return
    if force:
        await _force(client, found)
    await client.delete(BINDINGS, meta.name(found), namespace, uid=meta.uid(found))
    if timeout_s is not None:
        forced = copyable(f"unbind {app} {service} --force", namespace)
        way = f"; or `{forced}`, which takes the account from it all the same"
        await Following(client, found, "unbound", way).unbound(timeout_s)
    if how != "table":
        output.document(document(found), how)
    else:
        verb = "is unbound from" if timeout_s is not None else "is being unbound from"
        output.say(f"{app} {verb} {service}; what it has stored stays, and its account goes a minute later by itself")


async def _force(client: "Client", binding: Object) -> None:
    from pilothouse.model import meta
    from pilothouse.platform.databases.pattern.binding.names import FORCED
    from pilothouse.platform.databases.resource import BINDINGS

    marks = {"metadata": {"annotations": {FORCED: "yes"}}}
    await client.patch(BINDINGS, meta.name(binding), marks, namespace=meta.namespace(binding))


async def _announce(client: "Client", binding: Object, how: str) -> None:
    from pilothouse.cli.apps.rollout import recreates
    from pilothouse.cli.binding.bind import document, listed
    from pilothouse.model import meta
    from pilothouse.platform.apps.resource import APPS
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of

    name, service = app_of(binding), service_of(binding)
    app = await client.get_or_none(APPS, name, meta.namespace(binding))
    has_gap = app is not None and await recreates(client, app)
    undo = f"ph bind {name} {service}"
    if how != "table":
        output.document(document(binding) | {"dryRun": True, "rolledOut": app is not None, "interrupted": has_gap, "undo": undo}, how)
        return
    output.say(f"{name} would lose its account of {service} and {listed(binding)}; what it has stored stays")
    if app is not None:
        way = (
            "its replica ends before the new one starts" if has_gap else "its replicas are replaced one by one, and it serves all the time"
        )
        output.say(f"{name} would be rolled out: {way}")
    output.say(f"undo, with another password: `{undo}`")
