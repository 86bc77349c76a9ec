"""Reads from a cluster what `explain` needs: the object, what was made for it, what was said about them, what is inside its pods."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pilothouse.cli.why.kinds.reading import PARTS
from pilothouse.cli.why.notes import Note, belongs_to, from_event, from_refusal, merged
from pilothouse.cli.why.reader import Parts, Reader, owned
from pilothouse.cli.why.scene import Scene
from pilothouse.cli.why.scheduler_causes import unseen_by
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.scheduling import SCHEDULERS
from pilothouse.model.volumes import claim_names
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from pilothouse.platform.databases.pattern.binding.names import app_of
from pilothouse.platform.databases.resource import BINDINGS

if TYPE_CHECKING:
    from pilothouse.platform.gateway.routes import Problem


async def look(reader: Reader, kind: str, name: str, namespace: str, now: float, decisions: Sequence[Note]) -> Scene:
    """All that is there of the object and of what was made for it. now: seconds since the epoch."""
    parts = await _PARTS[kind](reader, name, namespace)
    parts["claims"] = await _claims(reader, parts.get("pods", ()), namespace)
    parts["schedulers"] = await _schedulers(reader, parts.get("pods", ()))
    written = (await reader.list_all(kinds.EVENTS, namespace)).items
    decided = {(note.kind, note.name, note.reason) for note in decisions}
    pods = [meta.key(pod) for pod in parts.get("pods", ())]
    # Of nodes elsewhere: what they have decided is in their own logs.
    refusals = [
        note for event in written for note in from_refusal(event, "Pod", pods) if (note.kind, note.name, note.reason) not in decided
    ]
    known = merged(decisions, [*map(from_event, written), *refusals])
    others = [Scene(kind="Process", now=now, notes=known, **each) for each in parts.pop("processes", ())]
    named = {(obj["kind"], obj["metadata"]["name"]) for obj in _objects(parts)}
    is_made = belongs_to(kind, name)
    notes = [note for note in known if is_made(note) or (note.kind, note.name) in named]
    return Scene(kind=kind, name=name, now=now, notes=notes, processes=[_with_own_notes(each) for each in others], **parts)


def _with_own_notes(scene: Scene) -> Scene:
    own = {(obj["kind"], meta.name(obj)) for obj in (*scene.replica_sets, *scene.pods)}
    return replace(scene, notes=[note for note in scene.notes if (note.kind, note.name) in own])


def _objects(parts: Mapping[str, Any]) -> list[Object]:
    found: list[Object] = []
    for key in ("app", "build", "deployment", "workload", "ingress"):
        found += [parts[key]] if parts.get(key) else []
    return [
        *found,
        *parts.get("replica_sets", ()),
        *parts.get("pods", ()),
        *parts.get("claims", ()),
        *parts.get("jobs", ()),
        *parts.get("bindings", ()),
    ]


async def _app_parts(reader: Reader, name: str, namespace: str) -> Parts:
    app = await reader.get_or_none(APPS, name, namespace)
    if app is None:
        return {}
    build_name = (app.get("status") or {}).get("build", "")
    built = await _build_parts(reader, build_name, namespace) if build_name else {}
    lasting = [process.name for process in processes.lasting(app)]
    has_web = processes.WEB in lasting
    rolled: Parts = await _deployment_parts(reader, name, namespace) if has_web else {"deployment": None, "pods": []}
    routed: Parts = await _ingress_parts(reader, name, namespace) if processes.has_route(app) else {"ingress": None}
    selector = f"kubernetes.io/service-name={name}"
    slices = (await reader.list_all(kinds.ENDPOINTSLICES, namespace, label_selector=selector)).items if processes.has_port(app) else None
    pods = [*built.pop("pods", []), *rolled.pop("pods", [])]
    named = [rolled["deployment"], await reader.get_or_none(kinds.SERVICES, name, namespace), routed["ingress"]]
    taken = [f"{obj['kind'].lower()} {name}" for obj in named if obj is not None and not _isowned(obj, app)]
    others = [await _process_parts(reader, app, process) for process in lasting if process != processes.WEB]
    bound = await _bindings(reader, name, namespace)
    own = {"app": app, "endpoints": slices, "pods": pods, "taken": taken, "processes": others, "bindings": bound}
    return {**own, **built, **rolled, **routed}


async def _bindings(reader: Reader, app: str, namespace: str) -> list[Object]:
    """None where there are no databases, or for a user who may not see them."""
    with contextlib.suppress(Forbidden, NotFound):
        return [each for each in (await reader.list_all(BINDINGS, namespace)).items if app_of(each) == app]
    return []


async def _process_parts(reader: Reader, app: Object, process: str) -> Parts:
    name = processes.deployment_name(app, process)
    return {"name": process, "app": app, **await _deployment_parts(reader, name, meta.namespace(app))}


def _isowned(obj: Object, owner: Object) -> bool:
    return (meta.controller_of(obj) or {}).get("uid") == meta.uid(owner)


async def _build_parts(reader: Reader, name: str, namespace: str) -> Parts:
    pod = await reader.get_or_none(kinds.PODS, f"{name}-build", namespace)
    return {"build": await reader.get_or_none(BUILDS, name, namespace), "pods": [pod] if pod is not None else []}


async def _deployment_parts(reader: Reader, name: str, namespace: str) -> Parts:
    deployment = await reader.get_or_none(kinds.DEPLOYMENTS, name, namespace)
    sets = await owned(reader, kinds.REPLICASETS, namespace, [deployment] if deployment else [])
    return {"deployment": deployment, "replica_sets": sets, "pods": await owned(reader, kinds.PODS, namespace, sets)}


async def _replica_set_parts(reader: Reader, name: str, namespace: str) -> Parts:
    found = await reader.get_or_none(kinds.REPLICASETS, name, namespace)
    sets = [found] if found is not None else []
    return {"replica_sets": sets, "pods": await owned(reader, kinds.PODS, namespace, sets)}


async def _pod_parts(reader: Reader, name: str, namespace: str) -> Parts:
    found = await reader.get_or_none(kinds.PODS, name, namespace)
    return {"pods": [found] if found is not None else []}


async def _schedulers(reader: Reader, pods: Sequence[Object]) -> list[str]:
    """The cluster's own, when no scheduler has looked at a pod."""
    if not any(unseen_by(pod) for pod in pods):
        return []
    with contextlib.suppress(Forbidden):
        found = await reader.get_or_none(kinds.CONFIGMAPS, SCHEDULERS, "kube-public")
        return (((found or {}).get("data") or {}).get("names") or "").split()
    return []


async def _claims(reader: Reader, pods: Sequence[Object], namespace: str) -> list[Object]:
    """Those without a volume that keep the pods from a node; none to a user who may not see them."""
    wanted = {name for pod in pods if not pod["spec"].get("nodeName") for name in claim_names(pod)}
    if not wanted:
        return []
    with contextlib.suppress(Forbidden):
        found = (await reader.list_all(kinds.PERSISTENTVOLUMECLAIMS, namespace)).items
        return [claim for claim in found if meta.name(claim) in wanted and not claim["spec"].get("volumeName")]
    return []


async def _ingress_parts(reader: Reader, name: str, namespace: str) -> Parts:
    ingress = await reader.get_or_none(kinds.INGRESSES, name, namespace)
    return {"ingress": ingress, "problems": await _problems(reader, ingress) if ingress is not None else []}


async def _problems(reader: Reader, ingress: Object) -> "list[Problem]":
    """What the gateway's own rules say about the ingress now; nothing of one that another controller serves, or to a user who
    may not see what they are judged by."""
    with contextlib.suppress(Forbidden):
        return await _judged(reader, ingress)
    return []


async def _judged(reader: Reader, ingress: Object) -> "list[Problem]":
    from pilothouse.platform.gateway.routes import World, table

    names = [entry.get("secretName") for entry in ingress["spec"].get("tls") or ()]
    secrets = [await reader.get_or_none(kinds.SECRETS, name, meta.namespace(ingress)) for name in names if name]
    world = World(
        ingresses=(await reader.list_all(kinds.INGRESSES)).items,
        classes=(await reader.list_all(kinds.INGRESSCLASSES)).items,
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
    **PARTS,
}
