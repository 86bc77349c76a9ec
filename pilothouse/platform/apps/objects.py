"""The objects an app stands for: Deployment, Service, Ingress, Build and the record of a revision (pure)."""

import hashlib
from dataclasses import dataclass
from typing import Any

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.quantity import QuantityError, canonical
from pilothouse.platform.apps.types import APPS

NAME_LABEL = "app.kubernetes.io/name"
MANAGER_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "pilothouse"
BUILD_API = "builds.pilothouse.dev/v1"
STATE = "apps.pilothouse.dev/state"
"""Annotation of the pod template by which a Deployment is known to have the state that is wanted."""
ROLLED_FIELDS = ("image", "source", "build", "port", "command", "args", "env", "secrets", "resources", "health")
"""What a revision remembers and a rollback restores; replicas, hosts and history stay as they are."""

GRACE_S = 30
"""How long an app has to end by itself, after it is asked to."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """registry: where built images go. ingress_class: of the routes, "" for the cluster's default. url_port: shown in URLs unless 80.

    drain_s: how long a pod waits before it ends, for clusters whose proxies are not told beforehand; 0 on the embedded engine.
    """

    registry: str
    ingress_class: str = "pilothouse"
    domain: str = "localhost"
    url_port: int = 80
    drain_s: int = 0


def fingerprint(value: Any) -> str:
    """Ten hexadecimal digits that differ when the value does."""
    return hashlib.sha256(dumps(value)).hexdigest()[:10]


def labels(app: Object) -> dict[str, str]:
    return {NAME_LABEL: meta.name(app), MANAGER_LABEL: MANAGER}


def selector(app: Object) -> dict[str, str]:
    return {"apps.pilothouse.dev/app": meta.name(app)}


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
    port = "" if around.url_port == 80 else f":{around.url_port}"
    return f"http://{hosts(app, around)[0]}{port}"


def build_name(app: Object) -> str:
    """The same source with the same options is the same Build, so going back to it builds nothing."""
    spec = app["spec"]
    return f"{meta.name(app)[:40]}-{fingerprint([spec['source'], spec.get('build', {})])}"


def build(app: Object, around: Surroundings) -> Object:
    spec, name = app["spec"], build_name(app)
    options = spec.get("build", {})
    image = f"{around.registry}/apps/{meta.namespace(app)}/{meta.name(app)}:{name.rsplit('-', 1)[1]}"
    return {
        "apiVersion": BUILD_API,
        "kind": "Build",
        "metadata": metadata(app, name),
        "spec": {"source": spec["source"], "image": image}
        | {key: options[key] for key in ("dockerfile", "inline", "args") if options.get(key)},
    }


def deployment(app: Object, image: str, around: Surroundings) -> Object:
    spec = app["spec"]
    template: Object = {
        "metadata": {"labels": labels(app) | selector(app)},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(app, image, around)],
        },
    }
    if around.drain_s:
        # What a pod waits counts against its time to end.
        template["spec"]["terminationGracePeriodSeconds"] = GRACE_S + around.drain_s
    template["metadata"]["annotations"] = {STATE: fingerprint(template)}
    return scaled(app) | {
        "spec": {
            "replicas": spec.get("replicas", 1),
            "selector": {"matchLabels": selector(app)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "revisionHistoryLimit": 2,
            "template": template,
        },
    }


def scaled(app: Object) -> Object:
    """Only what `replicas` says of the Deployment: all that may change while there is no new image."""
    return {
        "apiVersion": kinds.DEPLOYMENTS.api_version,
        "kind": kinds.DEPLOYMENTS.kind,
        "metadata": metadata(app),
        "spec": {"replicas": app["spec"].get("replicas", 1)},
    }


def _container(app: Object, image: str, around: Surroundings) -> Object:
    spec = app["spec"]
    port = spec.get("port", 8080)
    limits = {key: _quantity(value) for key, value in (spec.get("resources") or {}).items() if value}
    container: Object = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "env": [{"name": key, "value": value} for key, value in ({"PORT": str(port)} | spec.get("env", {})).items()],
        "resources": {"limits": limits, "requests": limits} if limits else {},
        "readinessProbe": _probe(spec.get("health", {}).get("path", ""), port),
    }
    # Always present, if empty: what is left out of a wanted object is not compared, so a removed one would stay.
    container["envFrom"] = [{"secretRef": {"name": name}} for name in spec.get("secrets", [])]
    container |= {key: spec.get(key, []) for key in ("command", "args")}
    if around.drain_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": around.drain_s}}}
    return container


def _quantity(text: str) -> str:
    """As the API server writes it, so that it compares equal; what is no quantity is the server's to refuse."""
    try:
        return canonical(text)
    except QuantityError:
        return text


def _probe(path: str, port: int) -> Object:
    check = {"httpGet": {"path": path, "port": port}} if path else {"tcpSocket": {"port": port}}
    return check | {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3}


def service(app: Object) -> Object:
    """Its target is the port by name: while a changed port rolls out, old and new instances listen on different ones."""
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(app),
        "spec": {"selector": selector(app), "ports": [port]},
    }


def ingress(app: Object, around: Surroundings) -> Object:
    backend = {"service": {"name": meta.name(app), "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": kinds.INGRESSES.api_version,
        "kind": kinds.INGRESSES.kind,
        "metadata": metadata(app),
        "spec": ({"ingressClassName": around.ingress_class} if around.ingress_class else {})
        | {
            "rules": [{"host": host, "http": {"paths": paths}} for host in hosts(app, around)],
        },
    }


def remembered(app: Object, image: str) -> Object:
    """What a revision keeps: enough to roll it out again."""
    return {"image": image, "spec": {key: app["spec"][key] for key in ROLLED_FIELDS if app["spec"].get(key)}}


def revision_name(app: Object, data: Object) -> str:
    return f"{meta.name(app)[:40]}-rev-{fingerprint(data)}"


def revision(app: Object, data: Object, number: int) -> Object:
    return {
        "apiVersion": kinds.CONTROLLERREVISIONS.api_version,
        "kind": kinds.CONTROLLERREVISIONS.kind,
        "metadata": metadata(app, revision_name(app, data)),
        "data": data,
        "revision": number,
    }
