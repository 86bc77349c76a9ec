"""`ph rollback`: an earlier revision becomes the newest, with the values that its secrets had."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pilothouse.cli import names, output
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.apps.own_secret import Change, mark, secret_name
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client


@click.command()
@click.argument("app", shell_complete=names.apps)
@NAMESPACE
@click.option("--to", "number", type=click.IntRange(1), help="The revision to go back to (default: the last one before that was ready).")
@click.option("--list", "show", is_flag=True, help="List the revisions that are kept, and stop (as -o says).")
@TIMEOUT
@output.OUTPUT
@pass_session
def rollback(session: Session, app: str, namespace: str, number: int | None, show: bool, timeout: float, output: str) -> None:
    """Go back to an earlier revision: its image, settings and secrets. Hosts, numbers of replicas and what is in volumes stay.

    \b
    Examples:
      ph rollback shop --list
      ph rollback shop
      ph rollback shop --to 3
    """
    if show:
        run(_list(session, app, namespace, output))
    else:
        run(_rollback(session, app, namespace, number, timeout))


async def _list(session: Session, name: str, namespace: str, how: str) -> None:
    from pilothouse.cli.apps.lookup import find_app

    async with connected(session) as client:
        status = (await find_app(client, name, namespace)).get("status") or {}
    kept = status.get("revisions") or []
    if how != "table":
        output.document(kept, how)
        return
    output.table(["", "revision", "age", "served", "changed", "image", "source"], rows(kept, status.get("revision", 0), time.time()))


def rows(kept: list[Object], current: int, now: float) -> list[list[object]]:
    """Newest first. kept: as the app's status lists them."""
    from pilothouse.cli.apps.listing import short_image
    from pilothouse.model.meta import parse_rfc3339

    found: list[list[object]] = []
    for each in sorted(kept, key=lambda r: -int(r["number"])):
        age = output.age(now - parse_rfc3339(each["createdAt"]))
        mark = "*" if each["number"] == current else " "
        served = "-" if "served" not in each else "yes" if each["served"] else "no"
        found.append([mark, each["number"], age, served, each.get("changed"), short_image(each["image"]), each.get("note")])
    return found


def target_of(app: Object, number: int | None) -> int:
    """The revision to go back to; raises ClickException when it is not kept."""
    from pilothouse.cli.apps.lookup import earlier_revision
    from pilothouse.model import meta

    status, name = app.get("status") or {}, meta.name(app)
    current = status.get("revision", 0)
    others = sorted(r["number"] for r in status.get("revisions") or () if r["number"] != current)
    if not others:
        kept = f"only revision {current} is kept" if current else "no revision is kept yet"
        raise click.ClickException(f"{name} cannot go back to {f'revision {number}' if number else 'an earlier revision'}: {kept}")
    if number == current:
        raise click.ClickException(f"revision {number} of {name} is the current one; kept are also: {', '.join(map(str, others))}")
    target = number if number is not None else earlier_revision(status)
    if not target:
        raise click.ClickException(
            f"no revision before {current} of {name} was ever ready; `ph rollback {name} --to NUMBER` tries one all the same: "
            f"{', '.join(map(str, others))}"
        )
    if target not in others:
        raise click.ClickException(f"revision {target} of {name} is not kept; kept are: {', '.join(map(str, others))}")
    return target


async def _rollback(session: Session, name: str, namespace: str, number: int | None, timeout_s: float) -> None:
    from pilothouse.cli.apps.following import followed, written
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.cli.apps.volumes.said import require_volumes

    async with connected(session) as client:
        app = await find_app(client, name, namespace)
        data = await _remembered(client, app, target_of(app, number))
        secret = await _own_secret_of(client, name, namespace, data.get("secrets") or {})
        wanted = app | {"spec": with_bindings(restored(app["spec"], data["spec"]), await _bindings(client, app))}
        for line in await require_volumes(client, wanted, app, undone="as it was"):
            output.note(line)
        rollout = Rollout(client, secret.marked(wanted) if secret is not None else wanted, app)
        await written(client, rollout, secret)
        done = await followed(client, rollout, secret, timeout_s)
    if done["status"].get("url"):
        click.echo(done["status"]["url"])


def restored(spec: Object, state: Object) -> Object:
    """The spec with the state of a revision; how many of each process run and how large volumes are is no part of a revision."""
    from pilothouse.platform.apps.objects import ROLLED_FIELDS
    from pilothouse.platform.apps.volumes import spec as volumes

    found = {key: value for key, value in spec.items() if key not in ROLLED_FIELDS} | state
    if "processes" in state:
        now = spec.get("processes") or {}
        kept = {name: {"replicas": each["replicas"]} for name, each in now.items() if each.get("replicas") is not None}
        found["processes"] = {
            name: given | ({} if given.get("schedule") else kept.get(name, {})) for name, given in state["processes"].items()
        }
    if "volumes" in state:
        found["volumes"] = volumes.restored(state["volumes"], spec.get("volumes") or {})
    return found


def with_bindings(spec: Object, secrets: Sequence[str]) -> Object:
    """The spec with the variables of what the app is bound to now: a revision before that did not have them."""
    missing = [each for each in secrets if each not in (spec.get("secrets") or ())]
    return spec | {"secrets": [*(spec.get("secrets") or ()), *missing]} if missing else spec


async def _bindings(client: "Client", app: Object) -> list[str]:
    """The Secrets of bindings that the app names now; none where databases are not known, or may not be seen."""
    from pilothouse.model import meta
    from pilothouse.model.errors import Forbidden, NotFound
    from pilothouse.platform.databases.pattern.binding.names import app_of, secret_of
    from pilothouse.platform.databases.resource import BINDINGS

    try:
        found = (await client.list_all(BINDINGS, meta.namespace(app))).items
    except (Forbidden, NotFound):
        return []
    bound = [secret_of(each) for each in found if app_of(each) == meta.name(app) and not meta.is_deleting(each)]
    return [each for each in app["spec"].get("secrets") or () if each in bound]


async def _remembered(client: "Client", app: Object, number: int) -> Object:
    """What the revision keeps: image, spec, names of the copies of secrets."""
    from pilothouse.model import kinds, meta

    for revision in (await client.list_all(kinds.CONTROLLERREVISIONS, meta.namespace(app))).items:
        owner = meta.controller_of(revision)
        if owner is not None and owner["uid"] == meta.uid(app) and revision["revision"] == number:
            data: Object = revision["data"]
            return data
    raise click.ClickException(f"revision {number} of {meta.name(app)} is gone")


async def _own_secret_of(client: "Client", name: str, namespace: str, copies: dict[str, str]) -> Change | None:
    """The change that brings the app's own Secret to the values of the revision. Secrets of others are not written, which is said."""
    from pilothouse.model import kinds

    own: Change | None = None
    for secret, copy in copies.items():
        kept = await client.get_or_none(kinds.SECRETS, copy, namespace)
        live = await client.get_or_none(kinds.SECRETS, secret, namespace)
        if kept is None or (live or {}).get("data") == kept.get("data"):
            continue
        if secret == secret_name(name):
            own = Change(secret, namespace, name, kept.get("data") or {}, live, mark())
        else:
            output.note(f"the Secret {secret} has changed since and is not {name}'s own: it stays as it is")
    return own
