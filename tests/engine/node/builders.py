"""Pods and runtime states as the pure parts take them."""

import base64
from typing import Any

from pilothouse.engine.node.pod.state import PodState, Tracked
from pilothouse.engine.node.runtime.seam import EXITED, RUNNING, Container, Sandbox
from pilothouse.model.json import Object, dumps

NOW = 1_000_000.0


def spec(name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": "img:1", **more}


def pod(*containers: Object, **more: Any) -> Object:
    metadata = {"name": "p", "namespace": "ns", "uid": "u1", "generation": 1}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [spec()], **more}}


def box(ready: bool = True, attempt: int = 0) -> Sandbox:
    return Sandbox(f"box{attempt}", "u1", "p", "ns", attempt, ready, NOW, ("10.0.0.1",))


def running(name: str = "main", attempt: int = 0) -> Container:
    return Container(f"{name}-{attempt}", "box0", "u1", name, attempt, RUNNING, NOW, started_at=NOW)


def exited(name: str = "main", code: int = 0, attempt: int = 0, finished_at: float = NOW) -> Container:
    return Container(
        f"{name}-{attempt}", "box0", "u1", name, attempt, EXITED, NOW, started_at=finished_at - 1, finished_at=finished_at, exit_code=code
    )


def tracked(container: Container, **more: Any) -> Tracked:
    alive = container.state == RUNNING
    return Tracked(container.name, latest=container, **{"hooked": alive, "started": alive, "ready": alive} | more)


def state(*containers: Tracked, sandbox: Sandbox | None = None, **more: Any) -> PodState:
    made = PodState(sandbox=sandbox or box(), volumes_ready=True, started_at=NOW, active_since=NOW, **more)
    made.containers = {each.name: each for each in containers}
    return made


def pull_secret(name: str, server: str, user: str, password: str, namespace: str = "ns") -> Object:
    document = dumps({"auths": {server: {"username": user, "password": password}}})
    data = {".dockerconfigjson": base64.b64encode(document).decode()}
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}"}
    return {"metadata": metadata, "type": "kubernetes.io/dockerconfigjson", "data": data}
