"""An app's life without a cluster: plans are applied to plain objects, and the rest of the platform is played by hand."""

import copy
from typing import Any

from pilothouse.model import meta
from pilothouse.model.covering import covers
from pilothouse.model.json import Object
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.plan import Actual, Plan, plan
from pilothouse.platform.apps.secrets import copy_of

AROUND = Surroundings(registry="127.0.0.1:5000")
NOW = "2026-01-01T00:00:00Z"
DIGESTS = [f"sha256:{digit * 64}" for digit in "abcdef"]


def app(**spec: Any) -> Object:
    return {"metadata": {"name": "shop", "namespace": "default", "uid": "app-uid", "generation": 1}, "spec": {"replicas": 1, **spec}}


def source(revision: str = "main") -> Object:
    return {"git": {"url": "https://git.example.org/shop.git", "revision": revision}}


class Life:
    def __init__(self, obj: Object, around: Surroundings = AROUND) -> None:
        self.app = obj
        self.around = around
        self.objects: dict[tuple[str, str], Object] = {}
        self.now = NOW
        self.taken = ""

    def of(self, kind: str) -> list[Object]:
        return [obj for (each, _), obj in self.objects.items() if each == kind]

    def one(self, kind: str) -> Object | None:
        return self.objects.get((kind, "shop"))

    @property
    def status(self) -> Object:
        found: Object = self.app["status"]
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        found = meta.condition(self.app, kind)
        assert found is not None
        return found["status"], found["reason"]

    def change(self, **spec: Any) -> None:
        self.app["spec"] |= spec
        self.app["metadata"]["generation"] += 1

    def step(self) -> Plan:
        """One reconcile."""
        builds, revisions, deployments, jobs = (self.of(kind) for kind in ("Build", "ControllerRevision", "Deployment", "Job"))
        copies = [secret for secret in self.of("Secret") if copy_of(secret)]
        named = {name: secret for name in self.app["spec"].get("secrets", []) if (secret := self.objects.get(("Secret", name)))}
        claims = {meta.name(claim): claim for claim in self.of("PersistentVolumeClaim")}
        single = (self.one(kind) for kind in ("Service", "Ingress", "HorizontalPodAutoscaler"))
        actual = Actual(builds, revisions, deployments, jobs, copies, *single, named, self.taken, claims)
        todo = plan(copy.deepcopy(self.app), copy.deepcopy(actual), self.around, self.now)
        for wanted in todo.ensure:
            self._ensure(copy.deepcopy(wanted))
        for obj in todo.remove:
            del self.objects[obj["kind"], meta.name(obj)]
        self.app["status"] = self.app.get("status", {}) | todo.status
        return todo

    def _ensure(self, wanted: Object) -> None:
        key = (wanted["kind"], meta.name(wanted))
        current = self.objects.get(key)
        if current is None:
            wanted["metadata"] |= {"uid": f"{key}", "generation": 1, "creationTimestamp": NOW}
            self.objects[key] = wanted
        elif not covers(current, wanted):
            for field in (field for field in wanted if field not in ("apiVersion", "kind", "metadata")):
                current[field] = merged(current.get(field), wanted[field])
            current["metadata"]["generation"] += 1

    def settle(self) -> Plan:
        """Reconcile until nothing changes any more."""
        for _ in range(5):
            before = copy.deepcopy((self.app, self.objects))
            todo = self.step()
            if before == (self.app, self.objects):
                return todo
        raise AssertionError("the plan never comes to rest")

    def build(self, phase: str, **status: Any) -> None:
        """The newest build gets on."""
        self.objects["Build", self.status["build"]]["status"] = {"phase": phase, **status}

    def roll(self) -> None:
        """The Deployments' pods become what their specs say."""
        assert self.of("Deployment")
        for deployment in self.of("Deployment"):
            names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
            counts = dict.fromkeys(names, deployment["spec"]["replicas"])
            deployment["status"] = {"observedGeneration": deployment["metadata"]["generation"], **counts}

    def end_job(self, name: str, condition: str) -> None:
        """condition: Complete or Failed."""
        self.objects["Job", name]["status"] = {"conditions": [{"type": condition, "status": "True", "reason": "", "message": ""}]}

    def secret(self, name: str, **data: str) -> None:
        self.objects["Secret", name] = {"metadata": {"name": name, "resourceVersion": str(len(data))}, "data": data}

    def deploy(self, digest: str) -> None:
        """From a changed source to a served revision."""
        self.settle()
        self.build("Succeeded", digest=digest)
        self.settle()
        self.roll()
        self.settle()


def merged(current: Any, wanted: Any) -> Any:
    """As a merge patch."""
    if isinstance(current, dict) and isinstance(wanted, dict):
        return current | {key: merged(current.get(key), value) for key, value in wanted.items()}
    return wanted


def image_of(life: Life) -> str:
    deployment = life.one("Deployment")
    assert deployment is not None
    found: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return found
