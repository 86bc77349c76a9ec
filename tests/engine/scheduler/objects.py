"""Nodes and pods of tests, and a scheduler's cycle over them without an API."""

from typing import Any

from pilothouse.engine.scheduler.config.types import ProfileConfig
from pilothouse.engine.scheduler.cycle import Cycle, Fit
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import DefaultSelector
from pilothouse.engine.scheduler.profile import profile
from pilothouse.engine.scheduler.sentence import reasons_of
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model.json import Object

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def node(
    name: str = "n", *, cpu: str = "2", memory: str = "4Gi", pods: str = "10", labels: Any = None, images: Any = (), **spec: Any
) -> Object:
    """images: sizes in bytes by name."""
    status = {
        "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
        "images": [{"names": [each], "sizeBytes": size} for each, size in dict(images).items()],
    }
    return {"metadata": {"name": name, "labels": {HOST: name} | (labels or {})}, "spec": spec, "status": status}


def pod(
    name: str = "p",
    *,
    on: str = "",
    cpu: str = "",
    memory: str = "",
    ports: Any = None,
    namespace: str = "ns",
    labels: Any = None,
    started: str = "",
    image: str = "i",
    **spec: Any,
) -> Object:
    """on: the node that it is on."""
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount}
    container: Object = {"name": "c", "image": image, "resources": {"requests": requests} if requests else {}, "ports": ports or []}
    placed = {"nodeName": on} if on else {}
    status = {"startTime": started} if started else {}
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}, "uid": f"uid-{name}"}
    return {"metadata": metadata, "spec": {"containers": [container]} | placed | spec, "status": status}


def term(app: str = "web", key: str = HOST, **more: Any) -> Object:
    """Of affinity: pods of an app."""
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}} | more


def affinity(*, near: Any = (), apart: Any = (), rather_near: Any = (), rather_apart: Any = ()) -> Object:
    """rather_...: (weight, term)."""

    def preferred(weighed: Any) -> list[Object]:
        return [{"weight": weight, "podAffinityTerm": each} for weight, each in weighed]

    return {
        "podAffinity": {REQUIRED: list(near), PREFERRED: preferred(rather_near)},
        "podAntiAffinity": {REQUIRED: list(apart), PREFERRED: preferred(rather_apart)},
    }


class World:
    """default_selector: from which pods others are spread by default. config: of the profile, the default one without it."""

    def __init__(
        self,
        *objects: Object,
        namespaces: Any = None,
        default_selector: DefaultSelector = lambda shape: None,
        config: ProfileConfig | None = None,
    ) -> None:
        self.snapshot = Snapshot()
        self.cycle = Cycle(profile(config or ProfileConfig(), self.snapshot.labels_of, default_selector), self.snapshot)
        for name, labels in (namespaces or {}).items():
            self.snapshot.namespace_changed(None, {"metadata": {"name": name, "labels": labels}})
        for each in objects:
            self.add(each)

    def add(self, obj: Object) -> None:
        """A pod, if it has containers, or a node."""
        changed = self.snapshot.pod_changed if "containers" in obj["spec"] else self.snapshot.node_changed
        changed(None, obj)

    def decide(self, wanted: Object) -> Fit | Unfit:
        info = self.snapshot.info(wanted)
        while (found := self.cycle.decide(info)) is None:
            pass
        return found

    def place(self, wanted: Object) -> str:
        """Finds a node for the pod and puts it there; "" when none fits."""
        found = self.decide(wanted)
        if isinstance(found, Unfit):
            return ""
        self.snapshot.assume(self.snapshot.info(wanted), found.node)
        return found.node

    def refusals(self, wanted: Object) -> dict[str, tuple[str, ...]]:
        """Node -> why; asked of each node."""
        info = self.snapshot.info(wanted)
        found = {}
        for each in self.snapshot.existing():
            verdicts, filters = self.cycle._verdicts_of(info.shape.needs), self.cycle._filters(info)
            if (refusal := self.cycle._refusal(info, each, verdicts, filters)) is not None:
                found[each.name] = refusal.reasons
        return found

    def reasons(self, wanted: Object) -> dict[str, int]:
        found = self.decide(wanted)
        return dict(reasons_of(found)) if isinstance(found, Unfit) else {}
