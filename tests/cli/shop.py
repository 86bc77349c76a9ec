"""An app called shop and its objects as an API server shows them, to be seeded with trouble."""

from copy import deepcopy
from typing import Any

from pilothouse.cli.why.notes import Note
from pilothouse.cli.why.scene import Scene
from pilothouse.model.json import Object

NOW = 1_770_000_000.0
CREATED = "2026-02-02T01:40:00Z"
IMAGE = "127.0.0.1:5000/apps/default/shop@sha256:" + "a" * 64
OLD_IMAGE = "127.0.0.1:5000/apps/default/shop@sha256:" + "b" * 64
BUILD = "shop-0a1b2c3d4e"
REPLICA_SET = "shop-6d5f8c7b9"
POD = f"{REPLICA_SET}-x2x4z"


def metadata(name: str, uid: str, owner: tuple[str, str] | None = None, **more: Any) -> Object:
    found: Object = {"name": name, "namespace": "default", "uid": uid, "creationTimestamp": CREATED, "generation": 2, **more}
    if owner is not None:
        found["ownerReferences"] = [{"kind": owner[0], "uid": owner[1], "controller": True, "apiVersion": "v1", "name": "owner"}]
    return found


def app(**status: Any) -> Object:
    revisions = [{"number": 2, "image": OLD_IMAGE, "createdAt": CREATED}, {"number": 3, "image": IMAGE, "createdAt": CREATED}]
    given = {
        "observedGeneration": 2,
        "url": "http://shop.localhost",
        "revision": 3,
        "build": BUILD,
        "revisions": revisions,
        "conditions": [],
    }
    spec = {"source": {"git": {"url": "https://git.example.org/shop.git"}}, "replicas": 2, "port": 8080}
    return {"kind": "App", "metadata": metadata("shop", "app-uid"), "spec": spec, "status": given | status}


def build(phase: str = "Succeeded", **status: Any) -> Object:
    return {"kind": "Build", "metadata": metadata(BUILD, "build-uid"), "spec": {}, "status": {"phase": phase, **status}}


def deployment(ready: int = 2, replicas: int = 2, **more: Any) -> Object:
    counts = dict.fromkeys(("readyReplicas", "availableReplicas", "updatedReplicas"), ready)
    status = {"observedGeneration": 2, "replicas": replicas, **counts, "conditions": []}
    return {
        "kind": "Deployment",
        "metadata": metadata("shop", "deployment-uid", ("App", "app-uid")),
        "spec": {"replicas": replicas, **more.pop("spec", {})},
        "status": status | more,
    }


def replica_set(ready: int = 2, replicas: int = 2, name: str = REPLICA_SET, image: str = IMAGE, number: str = "2", **status: Any) -> Object:
    template = {"spec": {"containers": [{"name": "app", "image": image}]}}
    return {
        "kind": "ReplicaSet",
        "metadata": metadata(
            name, f"{name}-uid", ("Deployment", "deployment-uid"), annotations={"deployment.kubernetes.io/revision": number}
        ),
        "spec": {"replicas": 2, "template": template},
        "status": {"replicas": replicas, "readyReplicas": ready, **status},
    }


def old_replica_set() -> Object:
    return replica_set(2, 2, "shop-5b6c7d8f9", OLD_IMAGE, "1")


def pod(state: Object | None = None, *, ready: bool = False, restarts: int = 0, last: Object | None = None, **status: Any) -> Object:
    container = {
        "name": "app",
        "image": IMAGE,
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "64", "memory": "64Mi"}},
    }
    seen = {
        "name": "app",
        "image": IMAGE,
        "ready": ready,
        "restartCount": restarts,
        "state": state or {"running": {}},
        "lastState": {"terminated": last} if last else {},
    }
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}]
    return {
        "kind": "Pod",
        "metadata": metadata(POD, "pod-uid", ("ReplicaSet", f"{REPLICA_SET}-uid")),
        "spec": {"containers": [container], "nodeName": "node"},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [seen]} | status,
    }


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, reason: str = "Error", message: str = "") -> Object:
    return {"exitCode": code, "reason": reason, "message": message, "finishedAt": CREATED}


def ingress(*, places: bool = True) -> Object:
    status = {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}} if places else {"loadBalancer": {}}
    spec = {"ingressClassName": "pilothouse", "rules": [{"host": "shop.localhost"}]}
    return {"kind": "Ingress", "metadata": metadata("shop", "ingress-uid", ("App", "app-uid")), "spec": spec, "status": status}


def slices(*, ready: bool = True) -> list[Object]:
    return [{"kind": "EndpointSlice", "endpoints": [{"addresses": ["10.244.0.5"], "conditions": {"ready": ready}}]}]


def note(about: Object | tuple[str, str], reason: str, message: str, ago_s: float = 60) -> Note:
    kind, name = about if isinstance(about, tuple) else (about["kind"], about["metadata"]["name"])
    return Note(kind, name, "kubelet", reason, message, NOW - ago_s)


def healthy(**changed: Any) -> Scene:
    """shop with two ready instances; `changed` seeds the trouble."""
    parts: dict[str, Any] = {
        "app": app(),
        "build": build(),
        "deployment": deployment(),
        "replica_sets": [replica_set()],
        "pods": [pod(ready=True)],
        "ingress": ingress(),
        "endpoints": slices(),
    }
    return Scene(kind="App", name="shop", now=NOW, **deepcopy(parts | changed))


def unready(seeded: Object, **changed: Any) -> Scene:
    """shop whose only revision has no ready instance, because of the pod."""
    parts = {"deployment": deployment(0), "replica_sets": [replica_set(0)], "pods": [seeded], "endpoints": slices(ready=False)}
    return healthy(**(parts | changed))
