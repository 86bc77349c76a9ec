"""`ph why`: one sentence about the state of an app, and the decisions that led to it."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pilothouse.cli import names, output
from pilothouse.cli.durations import Duration
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, placed, run
from pilothouse.cli.why.target import kind_of, target
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.cli.why.notes import Note
    from pilothouse.cli.why.scene import Scene
    from pilothouse.cli.why.sentence import Why
    from pilothouse.client.client import Client

SHOWN = 8
READ_LIMIT = 20_000


@click.command()
@click.argument("what", metavar="APP|KIND/NAME", shell_complete=names.apps)
@NAMESPACE
@click.option("--since", type=Duration(), default="1d", show_default=True, metavar="DURATION", help="How far to look back.")
@output.OUTPUT
@pass_session
def why(session: Session, what: str, namespace: str, since: float, output: str) -> None:
    """Say why an app is in the state it is in: the causes, the first one first, and the way out.

    \b
    Examples:
      ph why shop
      ph why pod/shop-5d8f7c9b6-x2x4z
      ph why statefulset/db
      ph why mysql/orders
      ph why pvc/data-db-0
      ph why build/shop-0a1b2c3d4e --since 2h
    """
    run(_why(session, *target(what), namespace, since, output))


async def _why(session: Session, kind: str | None, name: str, namespace: str, since_s: float, how: str) -> None:
    from pilothouse.cli.why.causes import explain
    from pilothouse.cli.why.look import look
    from pilothouse.cli.why.notes import collapsed
    from pilothouse.cli.why.peek import peek

    now = time.time()
    async with connected(session) as client:
        kind = kind or await kind_of(client, name, namespace)
        scene = await look(client, kind, name, namespace, now, decided(session, namespace, now - since_s))
        found = explain(scene)
        if not found.is_known:
            raise click.ClickException(await _unknown(client, kind, name, namespace))
        if found.chain:
            scene = await peek(client, scene)
            found = explain(scene)
    if how != "table":
        output.document(document(scene, found), how)
        return
    click.echo(output.folded(placed(found.sentence)))
    _show_notes(collapsed(scene.notes)[-SHOWN:], now)
    _note_what_stands_still(session)


def _note_what_stands_still(session: Session) -> None:
    """For the first minute the cluster itself does not know that its node has gone."""
    from pilothouse.cli.cluster.health import not_running
    from pilothouse.cli.settings.home import Settings

    if session.is_local and Settings.load(session.home) is not None and (reason := not_running(session)):
        output.note(f"\n{reason}")


async def _unknown(client: "Client", kind: str, name: str, namespace: str) -> str:
    """With what there is instead."""
    from pilothouse.cli.apps.lookup import no_app, require_namespace

    if kind == "App":
        return await no_app(client, name, namespace)
    await require_namespace(client, namespace)
    return f"there is no {kind.lower()} {name} in namespace {namespace}, and nothing is known about one"


def decided(session: Session, namespace: str, since: float) -> list["Note"]:
    """The decisions of the instance, those of its further nodes on this machine among them; of a foreign cluster there are none."""
    from pilothouse.cli.why.notes import from_decision
    from pilothouse.decisions.log import read_decisions

    if not session.is_local:
        return []
    found: list[Note] = []
    for home in (session.home, *session.home.further()):
        with suppress(FileNotFoundError, sqlite3.Error):
            found += [from_decision(d) for d in read_decisions(home.decisions, namespace=namespace, since=since, limit=READ_LIMIT)]
    return found


def _show_notes(notes: Sequence["Note"], now: float) -> None:
    if not notes:
        return
    click.echo()
    for each in notes:
        times = f" (x{each.count})" if each.count > 1 else ""
        click.echo(output.folded(f"{output.age(now - each.last)} ago  {each.about}  {each.reason}: {each.message}{times}", indent=4))


def document(scene: "Scene", found: "Why") -> Object:
    """The answer as data."""
    from pilothouse.model import meta

    return {
        "object": f"{scene.kind.lower()}/{scene.name}",
        "state": str(found.state),
        "sentence": placed(found.sentence),
        "chain": list(found.chain),
        "nextStep": placed(found.next_step),
        "decisions": [
            {"at": meta.rfc3339(n.last), "object": n.about, "by": n.part, "reason": n.reason, "message": n.message, "count": n.count}
            | ({"facts": dict(n.facts)} if n.facts else {})
            for n in scene.notes
        ],
    }
