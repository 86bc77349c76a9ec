"""`ph bind`: an app gets an account of a database, as variables."""

import re
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.binding.wish import Wish, binding, may_what
from pilothouse.cli.mysql.completing import instances
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

_SHOWN = 100


def _prefix(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value and not re.fullmatch("[A-Z][A-Z0-9_]{0,62}", value):
        raise click.BadParameter(f"{value!r} is no beginning of a variable's name: use capitals, digits and underscores, such as DB")
    return value


@click.command()
@click.argument("app", shell_complete=names.apps, required=False)
@click.argument("service", shell_complete=instances, required=False)
@NAMESPACE
@click.option("--rights", type=click.Choice(["all", "read"]), help="What the account may do in the database.")
@click.option("--database", metavar="NAME", help="A database of the service, in place of its first one.")
@click.option(
    "--prefix", metavar="PREFIX", callback=_prefix, help="Of the variables: DB gives DB_URL. From the service's name when not given."
)
@click.option("--list", "listing", is_flag=True, help="Show which apps are bound to what; with APP, or APP and SERVICE, only these.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With --list: of all namespaces.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--wait/--no-wait", default=True, help="Wait until the app serves with the variables.")
@TIMEOUT
@output.OUTPUT
@pass_session
def bind(session: Session, /, app: str | None, service: str | None, namespace: str, **options: Any) -> None:
    """Give an app an account of a database service: its variables in the app, which is rolled out with them, and a way to it.

    The variables are PREFIX_URL, _HOST, _PORT, _USER, _PASSWORD, _DATABASE and _CA, the certificate of the service's authority in PEM.
    Bound again, an app gets what is asked for anew. `ph unbind` takes it back.

    \b
    Examples:
      ph bind shop orders
      ph bind reports orders --rights read --prefix DB
      ph bind shop orders --dry-run
      ph bind --list
    """
    if options["listing"]:
        run(_list(session, app, service, None if options["all_namespaces"] else namespace, options["output"]))
        return
    if options["all_namespaces"]:
        raise click.UsageError("-A goes with --list")
    if app is None or service is None:
        raise click.UsageError("name the app and the service: ph bind APP SERVICE")
    wish = Wish(app, service, namespace, options["rights"], options["database"], options["prefix"])
    timeout_s = options["timeout"] if options["wait"] else None
    run(_bind(session, wish, dry_run=options["dry_run"], timeout_s=timeout_s, how=options["output"]))


async def _bind(session: Session, wish: Wish, *, dry_run: bool, timeout_s: float | None, how: str) -> None:
    async with connected(session) as client:
        await bind_app(client, wish, dry_run=dry_run, timeout_s=timeout_s, how=how)


async def bind_app(client: "Client", wish: Wish, *, dry_run: bool, timeout_s: float | None, how: str) -> None:
    """timeout_s: None: do not wait. how: table, json or yaml."""
    from pilothouse.cli.binding.following import Following
    from pilothouse.cli.binding.lookup import bindings_between, find_service

    service = await find_service(client, wish.service, wish.namespace)
    before = next(iter(await bindings_between(client, wish.app, wish.service, wish.namespace)), None)
    app = await _app(client, wish, required=timeout_s is not None and not dry_run)
    wanted = binding(wish, before)
    _require_present(before, service, wish)
    await _require_free(client, wanted, wish)
    written = await _write(client, wanted, before, dry_run=dry_run)
    if dry_run:
        await _announce(client, written, before, app, how)
        return
    if timeout_s is not None:
        written = await Following(client, written, "bound").bound(timeout_s)
    _say_done(written, how, waited=timeout_s is not None)


async def _app(client: "Client", wish: Wish, *, required: bool) -> Object | None:
    """required: it is waited for, so it has to be there."""
    from pilothouse.cli.apps.lookup import no_app
    from pilothouse.platform.apps.resource import APPS

    found = await client.get_or_none(APPS, wish.app, wish.namespace)
    if found is None and required:
        early = copyable(f"bind {wish.app} {wish.service} --no-wait", wish.namespace)
        missing = await no_app(client, wish.app, wish.namespace)
        raise click.ClickException(f"{missing}. `{early}` binds it before it is deployed")
    return found


def _require_present(before: Object | None, service: Object, wish: Wish) -> None:
    from pilothouse.model import meta

    if before is not None and meta.is_deleting(before):
        raise click.ClickException(f"{wish.app} is being unbound from {wish.service}: bind it again when that is done")
    if meta.is_deleting(service) and not service["spec"].get("deletionProtection", True):
        raise click.ClickException(f"{wish.service} is being deleted")


async def _require_free(client: "Client", wanted: Object, wish: Wish) -> None:
    """The platform sees the app's own variables and other bindings; what is in the app's own Secret only its user sees."""
    from pilothouse.cli.apps.own_secret import secret_name
    from pilothouse.model import kinds
    from pilothouse.model.errors import Forbidden
    from pilothouse.platform.databases.pattern.binding.names import variables_of

    try:
        secret = await client.get_or_none(kinds.SECRETS, secret_name(wish.app), wish.namespace)
    except Forbidden:
        return
    if both := sorted({*variables_of(wanted)} & {*((secret or {}).get("data") or {})}):
        unset = copyable(f"env unset {wish.app} {both[0]}", wish.namespace)
        raise click.ClickException(f"{wish.app} has a secret {both[0]} of its own: `{unset}`, or choose another prefix with --prefix")


async def _write(client: "Client", wanted: Object, before: Object | None, *, dry_run: bool) -> Object:
    from pilothouse.platform.databases.resource import BINDINGS

    if before is None:
        return await client.create(BINDINGS, wanted, dry_run=dry_run)
    name, namespace = before["metadata"]["name"], before["metadata"]["namespace"]
    return await client.patch(BINDINGS, name, {"spec": wanted["spec"]}, namespace=namespace, dry_run=dry_run)


async def _announce(client: "Client", wanted: Object, before: Object | None, app: Object | None, how: str) -> None:
    """What would happen. The app is rolled out where its variables change."""
    from pilothouse.cli.apps.rollout import recreates
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of

    name, service = app_of(wanted), service_of(wanted)
    is_rolled_out = app is not None and (before is None or _variables_differ(before, wanted))
    has_gap = is_rolled_out and app is not None and await recreates(client, app)
    undo = f"ph unbind {name} {service}" if before is None else _bound_as(before)
    if how != "table":
        output.document(document(wanted) | {"dryRun": True, "rolledOut": is_rolled_out, "interrupted": has_gap, "undo": undo}, how)
        return
    output.say(f"{name} would have {may_what(wanted['spec'])}, and {listed(wanted)}")
    if app is None:
        output.say(f"there is no app {name} yet: it would have them when it is deployed")
    elif is_rolled_out:
        way = (
            "its replica ends before the new one starts" if has_gap else "its replicas are replaced one by one, and it serves all the time"
        )
        output.say(f"{name} would be rolled out: {way}")
    output.say(f"undo: `{undo}`")


def _bound_as(before: Object) -> str:
    """The command that makes it what it is; "" takes a setting off."""
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of

    spec = before["spec"]
    given = {"--rights": spec.get("rights") or "all", "--database": spec.get("database") or "''", "--prefix": spec.get("prefix") or "''"}
    return f"ph bind {app_of(before)} {service_of(before)} {' '.join(f'{option} {value}' for option, value in given.items())}"


def _variables_differ(before: Object, wanted: Object) -> bool:
    return any((before["spec"].get(key) or "") != (wanted["spec"].get(key) or "") for key in ("database", "prefix"))


def _say_done(done: Object, how: str, *, waited: bool) -> None:
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of

    if how != "table":
        output.document(document(done), how)
        return
    verb = "is bound to" if waited else "is being bound to"
    output.say(f"{output.good(app_of(done))} {verb} {service_of(done)}: {listed(done)}")


def listed(wanted: Object) -> str:
    """`the variables ORDERS_URL, ORDERS_HOST, ...`."""
    from pilothouse.platform.databases.pattern.binding.names import variables_of

    return f"the variables {', '.join(variables_of(wanted))}"


def document(found: Object) -> Object:
    from pilothouse.model import meta
    from pilothouse.platform.databases.pattern.binding.names import app_of, service_of, variables_of

    ready = meta.condition(found, "Ready") or {}
    return {
        "name": meta.name(found),
        "namespace": meta.namespace(found),
        "app": app_of(found),
        "service": service_of(found),
        "database": found["spec"].get("database") or "",
        "rights": found["spec"].get("rights") or "all",
        "user": (found.get("status") or {}).get("user") or "",
        "secret": (found.get("status") or {}).get("secret") or "",
        "variables": variables_of(found),
        "ready": ready.get("status") == "True",
        "reason": ready.get("reason") or "",
        "message": ready.get("message") or "",
    }


async def _list(session: Session, app: str | None, service: str | None, namespace: str | None, how: str) -> None:
    from pilothouse.cli.apps.lookup import require_namespace
    from pilothouse.platform.databases.resource import BINDINGS

    async with connected(session) as client:
        found = [document(each) for each in (await client.list_all(BINDINGS, namespace)).items]
        if not found and namespace is not None:
            await require_namespace(client, namespace)
    chosen = [each for each in found if app in (None, each["app"]) and service in (None, each["service"])]
    if how != "table":
        output.document(chosen, how)
    elif not chosen:
        output.note(f"nothing is bound: `{copyable('bind APP SERVICE', namespace or 'default')}` binds an app to a database")
    else:
        _show(chosen, namespace)


def _show(found: list[Object], namespace: str | None) -> None:
    headings = [*(["namespace"] if namespace is None else []), "app", "service", "database", "rights", "prefix", "state", "problem"]
    rows = [
        [
            *([each["namespace"]] if namespace is None else []),
            *(each["app"], each["service"], each["database"], each["rights"], each["variables"][0].removesuffix("_URL")),
            each["reason"],
            "" if each["ready"] else each["message"][:_SHOWN],
        ]
        for each in found
    ]
    output.table(headings, rows)
