"""What the scheduler knows of each node: its object, what its pods use, and the pods assumed to be on their way to it.

A pod is assumed the moment it is picked, before the binding is written, so that the next pod sees its demand; the
assumption ends when the cache shows the pod bound, or when binding fails.
"""

from collections import Counter
from dataclasses import dataclass, field

from pilothouse.engine.scheduler.demand import Demand, amounts, demand_of
from pilothouse.engine.scheduler.inter_pod_affinity import Pod
from pilothouse.model import meta
from pilothouse.model.json import Object

ENDED = ("Succeeded", "Failed")


@dataclass(slots=True)
class NodeState:
    """used: sums over its pods. ports: how often each host port is taken."""

    node: Object
    allocatable: dict[str, int] = field(default_factory=dict)
    used: "Counter[str]" = field(default_factory=Counter)
    ports: "Counter[tuple[str, str, int]]" = field(default_factory=Counter)

    def add(self, demand: Demand) -> None:
        self.used.update(demand.resources)
        self.ports.update(demand.ports)

    def remove(self, demand: Demand) -> None:
        self.used.subtract(demand.resources)
        self.ports.subtract(demand.ports)


class Nodes:
    """Fed by the informers' changes; `assume` and `forget` by the scheduler.

    pods: by node and key. repelling: how many of them keep others away.
    """

    def __init__(self) -> None:
        self._states: dict[str, NodeState] = {}
        self._placed: dict[str, tuple[str, Demand, Pod]] = {}
        self.pods: dict[str, dict[str, Pod]] = {}
        self.repelling = 0

    def all(self) -> list[NodeState]:
        """States of the nodes that exist; a pod may be known before its node is."""
        return [state for state in self._states.values() if state.node]

    def node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self._state(meta.name(old)).node = {}
            return
        state = self._state(meta.name(new))
        state.node = new
        state.allocatable = amounts((new.get("status") or {}).get("allocatable"))

    def pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self.forget(meta.key(old))
        elif (new.get("status") or {}).get("phase") in ENDED:
            self.forget(meta.key(new))
        elif node := new["spec"].get("nodeName"):
            self._place(new, node, demand_of(new))

    def assume(self, pod: Object, node: str, demand: Demand) -> None:
        self._place(pod, node, demand)

    def forget(self, key: str) -> None:
        placed = self._placed.pop(key, None)
        if placed is not None:
            node, demand, pod = placed
            self._state(node).remove(demand)
            self.repelling -= bool(pod.anti)
            here = self.pods[node]
            del here[key]
            if not here:
                del self.pods[node]

    def _place(self, pod: Object, node: str, demand: Demand) -> None:
        key, found = meta.key(pod), (node, demand, Pod.of(pod))
        if self._placed.get(key) == found:
            return
        self.forget(key)
        self._placed[key] = found
        self._state(node).add(demand)
        self.pods.setdefault(node, {})[key] = found[2]
        self.repelling += bool(found[2].anti)

    def _state(self, name: str) -> NodeState:
        return self._states.setdefault(name, NodeState({}))
