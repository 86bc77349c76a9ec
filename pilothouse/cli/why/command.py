"""`ph why`: one sentence about the state of an app, and the decisions that led to it."""

import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, placed, run
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.cli.why.causes import Why
    from pilothouse.cli.why.notes import Note
    from pilothouse.cli.why.scene import Scene
    from pilothouse.client.client import Client

KINDS = {
    "app": "App",
    "build": "Build",
    "deployment": "Deployment",
    "deploy": "Deployment",
    "replicaset": "ReplicaSet",
    "rs": "ReplicaSet",
    "pod": "Pod",
    "po": "Pod",
    "ingress": "Ingress",
    "ing": "Ingress",
}
SHOWN = 8
READ_LIMIT = 20_000
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from texts such as 30m, 12h and 2d."""
        found = re.fullmatch(r"(\d+)([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration such as 30m, 12h or 2d", param, ctx)
        return int(found[1]) * float(_SECONDS[found[2]])


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
      ph why build/shop-0a1b2c3d4e --since 2h
    """
    kind, name = _target(what)
    run(_why(session, kind, name, namespace, since, output))


def _target(text: str) -> tuple[str, str]:
    kind, slash, name = text.rpartition("/")
    if not slash:
        return "App", text
    word = kind.lower().partition(".")[0]
    known = KINDS.get(word) or KINDS.get(word.removesuffix("s")) or KINDS.get(word.removesuffix("es"))
    if known is None or not name:
        raise click.UsageError(
            f"{text!r}: write APP or KIND/NAME, with KIND one of {', '.join(sorted({k.lower() for k in KINDS.values()}))}"
        )
    return known, name


async def _why(session: Session, kind: str, name: str, namespace: str, since_s: float, how: str) -> None:
    from pilothouse.cli.why.causes import explain

    now = time.time()
    async with connected(session) as client:
        scene = await look(client, kind, name, namespace, now, decided(session, namespace, now - since_s))
    found = explain(scene)
    if not found.is_known:
        raise click.ClickException(f"{found.sentence}: `ph apps -A` lists all apps")
    if how != "table":
        output.document(document(scene, found), how)
        return
    output.say(found.sentence)
    _show_notes(scene.notes[-SHOWN:], now)


def decided(session: Session, namespace: str, since: float) -> list["Note"]:
    """The decisions of the instance; of a foreign cluster there are none."""
    from pilothouse.cli.why.notes import from_decision
    from pilothouse.decisions.log import read_decisions

    if not session.is_local:
        return []
    try:
        return [from_decision(d) for d in read_decisions(session.home.decisions, namespace=namespace, since=since, limit=READ_LIMIT)]
    except (FileNotFoundError, sqlite3.Error):
        return []


async def look(client: "Client", kind: str, name: str, namespace: str, now: float, decisions: Sequence["Note"]) -> "Scene":
    """All that is there of the object and of what was made for it."""
    from pilothouse.cli.why.notes import belongs_to, from_event, merged
    from pilothouse.cli.why.scene import Scene
    from pilothouse.model import kinds

    parts = await _PARTS[kind](client, name, namespace)
    events = [from_event(event) for event in (await client.list_all(kinds.EVENTS, namespace)).items]
    named = {(obj["kind"], obj["metadata"]["name"]) for obj in _objects(parts)}
    is_made = belongs_to(kind, name)
    notes = [note for note in merged(decisions, events) if is_made(note) or (note.kind, note.name) in named]
    return Scene(kind=kind, name=name, now=now, notes=notes, **parts)


def _objects(parts: Mapping[str, Any]) -> list[Object]:
    found: list[Object] = []
    for key in ("app", "build", "deployment", "ingress"):
        found += [parts[key]] if parts.get(key) else []
    return [*found, *parts.get("replica_sets", ()), *parts.get("pods", ())]


async def _app_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds
    from pilothouse.platform.apps.resource import APPS

    app = await client.get_or_none(APPS, name, namespace)
    if app is None:
        return {}
    build_name = (app.get("status") or {}).get("build", "")
    built = await _build_parts(client, build_name, namespace) if build_name else {}
    rolled, routed = await _deployment_parts(client, name, namespace), await _ingress_parts(client, name, namespace)
    slices = (await client.list_all(kinds.ENDPOINTSLICES, namespace, label_selector=f"kubernetes.io/service-name={name}")).items
    pods = [*built.pop("pods", []), *rolled.pop("pods", [])]
    named = [rolled["deployment"], await client.get_or_none(kinds.SERVICES, name, namespace), routed["ingress"]]
    taken = [f"{obj['kind'].lower()} {name}" for obj in named if obj is not None and not _is_owned(obj, app)]
    return {"app": app, "endpoints": slices, "pods": pods, "taken": taken, **built, **rolled, **routed}


def _is_owned(obj: Object, owner: Object) -> bool:
    from pilothouse.model import meta

    return (meta.controller_of(obj) or {}).get("uid") == meta.uid(owner)


async def _build_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds
    from pilothouse.platform.builds.resource import BUILDS

    pod = await client.get_or_none(kinds.PODS, f"{name}-build", namespace)
    return {"build": await client.get_or_none(BUILDS, name, namespace), "pods": [pod] if pod is not None else []}


async def _deployment_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds

    deployment = await client.get_or_none(kinds.DEPLOYMENTS, name, namespace)
    sets = await _owned(client, kinds.REPLICASETS, namespace, [deployment] if deployment else [])
    return {"deployment": deployment, "replica_sets": sets, "pods": await _owned(client, kinds.PODS, namespace, sets)}


async def _owned(client: "Client", resource: Any, namespace: str, owners: Sequence[Object]) -> list[Object]:
    from pilothouse.model import meta

    if not owners:
        return []
    uids = {meta.uid(owner) for owner in owners}
    return [obj for obj in (await client.list_all(resource, namespace)).items if (meta.controller_of(obj) or {}).get("uid") in uids]


async def _replica_set_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds

    found = await client.get_or_none(kinds.REPLICASETS, name, namespace)
    sets = [found] if found is not None else []
    return {"replica_sets": sets, "pods": await _owned(client, kinds.PODS, namespace, sets)}


async def _pod_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds

    found = await client.get_or_none(kinds.PODS, name, namespace)
    return {"pods": [found] if found is not None else []}


async def _ingress_parts(client: "Client", name: str, namespace: str) -> dict[str, Any]:
    from pilothouse.model import kinds

    ingress = await client.get_or_none(kinds.INGRESSES, name, namespace)
    return {"ingress": ingress, "problems": await _problems(client, ingress) if ingress is not None else []}


async def _problems(client: "Client", ingress: Object) -> list[Any]:
    """What the gateway's own rules say about the ingress now; nothing of one that another controller serves."""
    from pilothouse.model import kinds, meta
    from pilothouse.platform.gateway.routes import World, table

    names = [entry.get("secretName") for entry in ingress["spec"].get("tls") or ()]
    secrets = [await client.get_or_none(kinds.SECRETS, name, meta.namespace(ingress)) for name in names if name]
    world = World(
        ingresses=(await client.list_all(kinds.INGRESSES)).items,
        classes=(await client.list_all(kinds.INGRESSCLASSES)).items,
        services={},
        slices={},
        secrets={meta.key(secret): secret for secret in secrets if secret is not None},
    )
    return [problem for problem in table(world).problems if problem.ingress == meta.key(ingress)]


_PARTS = {
    "App": _app_parts,
    "Build": _build_parts,
    "Deployment": _deployment_parts,
    "ReplicaSet": _replica_set_parts,
    "Pod": _pod_parts,
    "Ingress": _ingress_parts,
}


def _show_notes(notes: Sequence["Note"], now: float) -> None:
    if not notes:
        return
    click.echo()
    rows = [[output.age(now - n.last), n.about, n.reason, n.message + (f" (x{n.count})" if n.count > 1 else "")] for n in notes]
    output.table(["age", "object", "reason", "message"], rows)


def document(scene: "Scene", found: "Why") -> Object:
    """The answer as data."""
    from pilothouse.model import meta

    return {
        "object": f"{scene.kind.lower()}/{scene.name}",
        "sentence": placed(found.sentence),
        "chain": list(found.chain),
        "nextStep": placed(found.next_step),
        "decisions": [
            {"at": meta.rfc3339(n.last), "object": n.about, "by": n.part, "reason": n.reason, "message": n.message, "count": n.count}
            | ({"facts": dict(n.facts)} if n.facts else {})
            for n in scene.notes
        ],
    }
