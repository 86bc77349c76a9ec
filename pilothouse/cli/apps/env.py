"""`ph env`: an app's variables, without its source at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps import variables
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.apps.own_secret import secret_name
from pilothouse.cli.session import NAMESPACE, Session, connected, copyable, pass_session, run
from pilothouse.model import meta
from pilothouse.model.json import Object

HIDDEN = "(hidden)"
DETACH = click.option("--detach", is_flag=True, help="Do not wait for the rollout.")


@dataclass(frozen=True, slots=True)
class Edit:
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    unset: tuple[str, ...] = ()


@click.group()
def env() -> None:
    """Show and change an app's environment variables.

    \b
    Examples:
      ph env list shop
      ph env set shop MODE=live
      ph env unset shop MODE
    """


@env.command(name="list")
@click.argument("app", shell_complete=names.apps)
@NAMESPACE
@click.option("--show-secrets", is_flag=True, help="Print the values of secrets too.")
@output.OUTPUT
@pass_session
def list_(session: Session, app: str, namespace: str, show_secrets: bool, output: str) -> None:
    """List an app's variables and where each comes from.

    \b
    Examples:
      ph env list shop
      ph env list shop --show-secrets -o json
    """
    run(_list(session, app, namespace, show_secrets, output))


@env.command(name="set")
@click.argument("app", shell_complete=names.apps)
@click.argument("pairs", metavar="KEY[=VALUE]...", nargs=-1, callback=variables.pairs)
@NAMESPACE
@click.option("--secret", is_flag=True, help="Keep the values in a Secret.")
@click.option("--env-file", multiple=True, callback=variables.files, metavar="FILE", help="Variables of a file of KEY=VALUE lines.")
@DETACH
@TIMEOUT
@pass_session
def set_(session: Session, /, app: str, namespace: str, **options: Any) -> None:
    """Set variables and roll them out. A KEY alone takes its value from your environment.

    \b
    Examples:
      ph env set shop MODE=live
      ph env set shop --secret API_KEY
      ph env set shop --env-file .env --secret
    """
    given = options["env_file"] | options["pairs"]
    if not given:
        raise click.UsageError("nothing to set: write KEY=VALUE or name a file with --env-file")
    edit = Edit(secrets=given) if options["secret"] else Edit(env=given)
    run(_change(session, app, namespace, edit, None if options["detach"] else options["timeout"]))


@env.command()
@click.argument("app", shell_complete=names.apps)
@click.argument("names", metavar="KEY...", shell_complete=names.variables, nargs=-1, required=True, callback=variables.names)
@NAMESPACE
@DETACH
@TIMEOUT
@pass_session
def unset(session: Session, app: str, names: tuple[str, ...], namespace: str, detach: bool, timeout: float) -> None:
    """Remove variables and secrets, and roll that out.

    \b
    Example:
      ph env unset shop MODE API_KEY
    """
    run(_change(session, app, namespace, Edit(unset=names), None if detach else timeout))


async def _list(session: Session, name: str, namespace: str, show_secrets: bool, how: str) -> None:
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.model import kinds

    async with connected(session) as client:
        app = await find_app(client, name, namespace)
        named = app["spec"].get("secrets") or []
        secrets = {each: await client.get_or_none(kinds.SECRETS, each, namespace) for each in named}
    found = merged(app, secrets, show_secrets=show_secrets)
    if how != "table":
        output.document({row[0]: {"value": row[1], "from": row[2]} for row in found}, how)
    elif not found:
        output.note(f"{name} has no variables of its own: `{copyable(f'env set {name} KEY=VALUE', namespace)}` sets one")
    else:
        output.table(["name", "value", "from"], found)


def merged(app: Object, secrets: Mapping[str, Object | None], *, show_secrets: bool) -> list[list[str]]:
    """(name, value, from) sorted by name, as the containers see them: a later Secret over an earlier one, the spec over both."""
    import base64

    found: dict[str, tuple[str, str]] = {}
    for name, secret in secrets.items():
        for key, value in ((secret or {}).get("data") or {}).items():
            shown = base64.b64decode(value).decode(errors="replace") if show_secrets else HIDDEN
            found[key] = (shown, f"secret {name}")
    found |= {key: (value, "app") for key, value in (app["spec"].get("env") or {}).items()}
    return [[key, *found[key]] for key in sorted(found)]


async def _change(session: Session, name: str, namespace: str, edit: Edit, timeout_s: float | None) -> None:
    from pilothouse.cli.apps import own_secret
    from pilothouse.cli.apps.following import followed, written
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.rollout import Rollout

    async with connected(session) as client:
        app = await find_app(client, name, namespace)
        secret = await own_secret.change(client, name, namespace, given=edit.secrets, unset={*edit.unset, *edit.env})
        _require_known(app, edit, secret.before)
        rollout = Rollout(client, secret.marked(edited(app, edit)), app)
        if not await written(client, rollout, secret):
            output.note(f"{name} is as asked for already; nothing has changed")
        elif timeout_s is not None:
            await followed(client, rollout, secret, timeout_s)


def _require_known(app: Object, edit: Edit, secret: Object | None) -> None:
    known = {*(app["spec"].get("env") or {}), *((secret or {}).get("data") or {})}
    if unknown := [key for key in edit.unset if key not in known]:
        name = app["metadata"]["name"]
        raise click.ClickException(
            f"{name} has no variable {', '.join(unknown)}: `{copyable(f'env list {name}', meta.namespace(app))}` shows them"
        )


def edited(app: Object, edit: Edit) -> Object:
    """The app with the variables in the spec as they are to be; a variable is in one place only."""
    gone = {*edit.unset, *edit.secrets}
    env = {key: value for key, value in ((app["spec"].get("env") or {}) | dict(edit.env)).items() if key not in gone}
    spec = app["spec"] | {"env": env}
    if edit.secrets and (name := secret_name(app["metadata"]["name"])) not in (spec.get("secrets") or []):
        spec["secrets"] = [*(spec.get("secrets") or []), name]
    return app | {"spec": spec}
