"""Objects as a user would write them; the API server fills in the rest."""

from typing import Any

from pilothouse.model.json import Object

IMAGE = "app:1"


def container(name: str = "main", image: str = IMAGE, **more: Any) -> Object:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **more}


def pod(name: str = "p", *containers: Object, **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": list(containers) or [container()], **spec}}


def job(name: str = "j", *, pod: Any = None, **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]} | (pod or {})}
    return {"metadata": {"name": name}, "spec": {"template": template} | spec}


def deployment(name: str = "d", *, pod: Any = None, **spec: Any) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]} | (pod or {})}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template} | spec}


def service(name: str = "d") -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}
