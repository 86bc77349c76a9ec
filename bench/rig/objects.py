"""The API objects that benchmarks create, and what is asked about them."""

from bench.rig.instance import IMAGE
from pilothouse.model import meta
from pilothouse.model.json import Object

NAMESPACE = "bench"
POLITE = "trap 'exit 0' TERM; sleep 3600 & wait"
"""Ends at SIGTERM at once, so that a deletion measures the node and not the grace period."""
_PAGE = "busybox mkdir -p /www; busybox hostname >/www/index.html"
_HTTPD = "busybox httpd -f -p 8080 -h /www"
SERVE = f"{_PAGE}; {_HTTPD} & trap 'exit 0' TERM; wait"
"""Answers with the pod's name."""
SERVE_ON = f"{_PAGE}; trap '' TERM; exec {_HTTPD}"
"""Goes on serving after SIGTERM, until it is killed."""
PORT = 8080


def configmap(name: str, size: int = 1024) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"text": "x" * size}}


def pod_spec(script: str, grace_s: int = 30, containers: int = 1) -> Object:
    container = {"image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sh", "-c", script]}
    named = [{"name": f"main-{number}", **container} for number in range(containers)]
    return {"terminationGracePeriodSeconds": grace_s, "automountServiceAccountToken": False, "containers": named}


def pod(name: str, script: str = POLITE, *, app: str = "bench", grace_s: int = 30, containers: int = 1) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": app}}
    return {"metadata": metadata, "spec": pod_spec(script, grace_s, containers)}


def deployment(name: str, replicas: int, script: str = POLITE, grace_s: int = 30) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(script, grace_s)}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def service(name: str) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def is_ready(obj: Object) -> bool:
    return (meta.condition(obj, "Ready") or {}).get("status") == "True"


def is_of(app: str, obj: Object) -> bool:
    return bool((obj["metadata"].get("labels") or {}).get("app") == app)
