"""What is kept as things change says the same as what is worked out afresh."""

import random
from typing import Any

import pytest

from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.model.json import Object
from pilothouse.model.selector import Selector, from_label_selector
from tests.engine.scheduler.objects import HOST, ZONE, World, affinity, node, pod, term

APPS, NAMESPACES, STEPS = ("web", "db", "cache"), ("ns", "other"), 100


def by_app(shape: Shape) -> tuple[bytes, Selector] | None:
    app = shape.labels.get("app", "")
    return app.encode(), from_label_selector({"matchLabels": {"app": app}})


class Changing:
    """A world that is told of each change, beside the objects as they are."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nodes: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.known = World(default_selector=by_app)

    def afresh(self) -> World:
        return World(*self.nodes.values(), *self.pods.values(), namespaces=self.namespaces, default_selector=by_app)

    def step(self) -> None:
        pick = self.random.random()
        if pick < 0.2:
            self._node(f"n{self.random.randrange(8)}")
        elif pick < 0.25:
            name = self.random.choice(NAMESPACES)
            self.namespaces[name] = {"team": self.random.choice("xy")}
            self.known.snapshot.namespace_changed(None, {"metadata": {"name": name, "labels": self.namespaces[name]}})
        else:
            self._pod(f"p{self.random.randrange(25)}")

    def wanted(self) -> Object:
        made = self._made("wanted")
        spec = {name: value for name, value in made["spec"].items() if name != "nodeName"}
        if self.random.random() < 0.7:
            spec |= {"affinity": {}, "topologySpreadConstraints": [self._constraint() | {"whenUnsatisfiable": "DoNotSchedule"}]}
        return made | {"spec": spec}

    def _node(self, name: str) -> None:
        old, new = self.nodes.pop(name, None), None
        if self.random.random() < 0.8:
            labels = {ZONE: self.random.choice("123")} if self.random.random() < 0.8 else {}
            taints = [{"key": "gpu", "effect": "NoSchedule"}] if self.random.random() < 0.2 else []
            new = self.nodes[name] = node(name, labels=labels, taints=taints, cpu=self.random.choice("48"))
        if old is not None or new is not None:
            self.known.snapshot.node_changed(old, new)

    def _pod(self, name: str) -> None:
        old, new = self.pods.pop(name, None), None
        if self.random.random() < 0.8:
            new = self._made(name)
            if old is not None:
                # A pod stays in its namespace.
                new["metadata"]["namespace"] = old["metadata"]["namespace"]
            self.pods[name] = new
        if old is not None or new is not None:
            self.known.snapshot.pod_changed(old, new)

    def _made(self, name: str) -> Object:
        found = pod(
            name,
            on=f"n{self.random.randrange(8)}",
            namespace=self.random.choice(NAMESPACES),
            labels={"app": self.random.choice(APPS)},
            cpu=self.random.choice(["", "100m", "1"]),
            affinity=affinity(**{kind: [self._term()] for kind in ("near", "apart") if self.random.random() < 0.2})
            | ({} if self.random.random() < 0.7 else {"podAntiAffinity": affinity(rather_apart=[(3, self._term())])["podAntiAffinity"]}),
            topologySpreadConstraints=[self._constraint()] if self.random.random() < 0.4 else [],
        )
        if self.random.random() < 0.1:
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return found

    def _term(self) -> Object:
        more: Any = self.random.choice([{}, {"namespaces": ["other"]}, {"namespaceSelector": {"matchLabels": {"team": "x"}}}])
        return term(self.random.choice(APPS), self.random.choice([HOST, ZONE]), **more)

    def _constraint(self) -> Object:
        choose = self.random.choice
        return {
            "topologyKey": choose([HOST, ZONE]),
            "maxSkew": choose([1, 2]),
            "minDomains": choose([1, 3]),
            "whenUnsatisfiable": choose(["DoNotSchedule", "ScheduleAnyway"]),
            "labelSelector": choose([{}, {"matchLabels": {"app": choose(APPS)}}]),
            "nodeTaintsPolicy": choose(["Honor", "Ignore"]),
        }


@pytest.mark.parametrize("seed", range(3))
def test_decisions_are_those_of_a_scheduler_that_has_just_begun(seed: int) -> None:
    changing = Changing(seed)
    asked = [changing.wanted() for _ in range(12)]
    for _ in range(STEPS):
        changing.step()
        wanted, afresh = changing.random.choice(asked), changing.afresh()
        assert changing.known.refusals(wanted) == afresh.refusals(wanted)
        assert changing.known.decide(wanted) == afresh.decide(wanted)
