"""The objects an app stands for beside its workloads: Service, Ingress, Build and the record of a revision (pure)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.json import fingerprint as sorted_json
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.apps.volumes import spec as volumes

NAME_LABEL = "app.kubernetes.io/name"
MANAGER_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "pilothouse"
APP_LABEL = "apps.pilothouse.dev/app"
"""Label of the pods of `web`, by which the app's Service finds them."""
BUILD_API = "builds.pilothouse.dev/v1"
UNAVAILABLE = "gateway.pilothouse.dev/unavailable"
"""Annotation by which an Ingress gives the gateway a sentence for the time without an endpoint; known to apps by its name only."""
ROLLED_FIELDS = (
    *("image", "source", "build", "attempt", "port", "command", "args"),
    *("processes", "env", "secrets", "volumes", "resources", "health"),
)
"""What a revision remembers and a rollback restores; numbers of replicas, sizes of volumes, hosts, restarts and history stay."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """registry: where built images go. ingress_class: of the routes, "" for the cluster's default. url_port: shown in URLs unless 80.

    drain_s: how long a pod waits before it ends, for clusters whose proxies are not told beforehand; 0 on the embedded engine.
    asks_replicas: whether the platform can reach pods; then a replica with a route and without a health check counts once it has
    answered a request. proven_s: how long every other replica without a health check must stay up until it counts: a port may
    accept before the program has loaded what it serves. hosts_by_namespace: whether the gateway gives a host to one namespace alone.
    fills_volumes: whether nodes give an empty volume what the image has at its place (`model.volumes.FROM_IMAGE`).
    """

    registry: str
    ingress_class: str = "pilothouse"
    domain: str = "localhost"
    url_port: int = 80
    drain_s: int = 0
    proven_s: int = 3
    asks_replicas: bool = False
    hosts_by_namespace: bool = False
    fills_volumes: bool = False


def fingerprint(value: Any) -> str:
    """Ten hexadecimal digits that differ when the value does, be it in the order of its keys."""
    return hashlib.sha256(dumps(value)).hexdigest()[:10]


def identity(value: Any) -> str:
    """As `fingerprint`, whatever the order of keys."""
    return hashlib.sha256(sorted_json(value)).hexdigest()[:10]


def within(text: str, room: int) -> str:
    """The text where it has at most `room` characters, else its beginning and a fingerprint, unlike others that begin so."""
    return text if len(text) <= room else f"{text[: room - 11]}-{fingerprint(text)}"


def labels(app: Object) -> dict[str, str]:
    return {NAME_LABEL: meta.name(app), MANAGER_LABEL: MANAGER}


def selector(app: Object) -> dict[str, str]:
    return {APP_LABEL: meta.name(app)}


def metadata(app: Object, name: str | None = None) -> Object:
    return {
        "name": name or meta.name(app),
        "namespace": meta.namespace(app),
        "labels": labels(app),
        "ownerReferences": [meta.owner_reference(app, APPS.api_version, APPS.kind)],
    }


def hosts(app: Object, around: Surroundings) -> list[str]:
    given: list[str] = app["spec"].get("hosts") or []
    if given:
        return given
    space = "" if meta.namespace(app) == "default" else f".{meta.namespace(app)}"
    return [f"{meta.name(app)}{space}.{around.domain}"]


def url(app: Object, around: Surroundings) -> str:
    """ "" for an app without a route."""
    if not processes.has_route(app):
        return ""
    port = "" if around.url_port == 80 else f":{around.url_port}"
    return f"http://{hosts(app, around)[0]}{port}"


def build_name(app: Object) -> str:
    """The same source with the same options is the same Build, so going back to it builds nothing."""
    spec = app["spec"]
    options = {key: value for key, value in (spec.get("build") or {}).items() if value and (key, value) != ("dockerfile", "Dockerfile")}
    state: list[Any] = [_source(spec["source"]), options]
    if spec.get("attempt"):
        state.append(spec["attempt"])
    return f"{within(meta.name(app), 40)}-{identity(state)}"


def legacy_build_name(app: Object) -> str:
    """As release 0.1 named the Build of an App that it stored: what it has built is not built again."""
    spec = app["spec"]
    return f"{meta.name(app)[:40]}-{fingerprint([spec['source'], spec.get('build', {})])}"


def _source(source: Object) -> Object:
    """Without the fields that say nothing."""
    return {key: {k: v for k, v in value.items() if v} if isinstance(value, dict) else value for key, value in source.items() if value}


def build(app: Object, around: Surroundings) -> Object:
    spec, name = app["spec"], build_name(app)
    options = spec.get("build") or {}
    image = f"{around.registry}/apps/{meta.namespace(app)}/{meta.name(app)}:{name.rsplit('-', 1)[1]}"
    return {
        "apiVersion": BUILD_API,
        "kind": "Build",
        "metadata": metadata(app, name),
        "spec": {"source": _build_source(spec["source"]), "image": image}
        | {key: options[key] for key in ("dockerfile", "inline", "target", "args", "noCache") if options.get(key)},
    }


def _build_source(source: Object) -> Object:
    """A Build fetches the commit where there is one: what the branch points to may have moved on."""
    git = source.get("git")
    if not git or not git.get("commit"):
        return source
    return source | {"git": {key: value for key, value in git.items() if key != "commit"} | {"revision": git["commit"]}}


def service(app: Object, port: int) -> Object:
    """Reached on port 80, and on the app's own, which is the one that programs expect of a database.

    Its target is the port by name: while a changed port rolls out, old and new replicas listen on different ones.
    """
    numbers = {"http": 80} | ({"app": port} if port != 80 else {})
    ports = [{"name": name, "port": number, "protocol": "TCP", "targetPort": "http"} for name, number in numbers.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(app),
        "spec": {"selector": selector(app), "ports": ports},
    }


def ingress(app: Object, around: Surroundings) -> Object:
    backend = {"service": {"name": meta.name(app), "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": kinds.INGRESSES.api_version,
        "kind": kinds.INGRESSES.kind,
        "metadata": metadata(app) | {"annotations": {UNAVAILABLE: unavailable(app)}},
        "spec": ({"ingressClassName": around.ingress_class} if around.ingress_class else {})
        | {
            "rules": [{"host": host, "http": {"paths": paths}} for host in hosts(app, around)],
        },
    }


def unavailable(app: Object) -> str:
    """What the gateway answers while no replica can."""
    name, space = meta.name(app), "" if meta.namespace(app) == "default" else f" -n {meta.namespace(app)}"
    if app["spec"].get("replicas", 1) == 0:
        return f'{name} is scaled to 0: "ph scale {name}=1{space}" starts it'
    return f'{name} has no replica that serves: "ph why {name}{space}" says why'


def remembered(app: Object, image: str, pins: Mapping[str, str]) -> Object:
    """What a revision keeps: enough to roll it out again. pins: Secret -> its copy with the values of this revision."""
    spec = {key: app["spec"][key] for key in ROLLED_FIELDS if app["spec"].get(key) or (key == "port" and app["spec"].get(key) == 0)}
    if "processes" in spec:
        spec["processes"] = {name: without_replicas(process) for name, process in spec["processes"].items()}
    if "volumes" in spec:
        spec["volumes"] = volumes.remembered(spec["volumes"])
    return {"image": image, "spec": spec} | ({"secrets": dict(pins)} if pins else {})


def without_replicas(process: Object) -> Object:
    return {key: value for key, value in process.items() if key != "replicas"}


def revision_name(app: Object, data: Object) -> str:
    return f"{within(meta.name(app), 40)}-rev-{fingerprint(data)}"


def revision(app: Object, data: Object, number: int) -> Object:
    return {
        "apiVersion": kinds.CONTROLLERREVISIONS.api_version,
        "kind": kinds.CONTROLLERREVISIONS.kind,
        "metadata": metadata(app, revision_name(app, data)),
        "data": data,
        "revision": number,
    }
