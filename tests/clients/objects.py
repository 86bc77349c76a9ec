"""Objects that the tests apply."""

from typing import Any


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, image: str = "nginx", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "main", "image": image}]}}


def deployment(name: str, replicas: int = 1, image: str = "nginx:1", **container: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image, **container}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


def ingress(name: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": {"rules": [rule]}}


def boats(plural: str = "boats") -> dict[str, Any]:
    """A definition of a custom resource with a schema, a status, a scale and printer columns. Its group carries the plural's name."""
    group = f"{plural}.example.com"
    spec = {
        "type": "object",
        "description": "What the boat is to be.",
        "required": ["crew"],
        "properties": {
            "crew": {"type": "integer", "minimum": 1, "description": "How many are on board."},
            "sail": {"type": "string", "enum": ["main", "jib"], "default": "main", "description": "Which sail is set."},
            "rigging": {"type": "object", "properties": {"ropes": {"type": "array", "items": {"type": "string"}}}},
        },
    }
    status = {"type": "object", "properties": {"crew": {"type": "integer"}}}
    schema = {"type": "object", "description": "Floats.", "required": ["spec"], "properties": {"spec": spec, "status": status}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}},
        "additionalPrinterColumns": [
            {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"},
            {"name": "Sail", "type": "string", "jsonPath": ".spec.sail", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {"plural": plural, "singular": plural.removesuffix("s"), "kind": plural.removesuffix("s").capitalize()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def boat(name: str, plural: str = "boats", **spec: Any) -> dict[str, Any]:
    kind = plural.removesuffix("s").capitalize()
    return {"apiVersion": f"{plural}.example.com/v1", "kind": kind, "metadata": {"name": name}, "spec": {"crew": 2, **spec}}
