"""The world and what leads to it, from objects as the API server tells them. Used by one thread at a time, and never by the event loop:
a policy may name 2,000 selectors, and a node that joins may change whose the addresses of many pods are.
"""

from pilothouse.model import meta, policy_progress
from pilothouse.model.json import Object
from pilothouse.network.policy.backlog import Backlog
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.intake import Complaint, Intake
from pilothouse.network.policy.pods import Ranges, Shown, addresses, facts, node_facts, pod_networks
from pilothouse.network.policy.world import World


class State:
    """world: for those who run after a call has returned; `owner` alone may be asked at any time."""

    def __init__(self, config: NetworkPolicyConfig, complain: Complaint | None = None) -> None:
        self.world = World(config)
        self._config = config
        self._intake = Intake(complain)
        self._ranges = Ranges()
        self._shown = Shown()
        self._pods: dict[str, tuple[Object, tuple[str, ...]]] = {}
        self._marks: dict[str, policy_progress.Mark] = {}

    def take(self, told: Backlog) -> None:
        """Nodes come first: they say whose the addresses of pods may be."""
        if told.forgets:
            self._forget()
        for name, node in told.nodes.items():
            self._node(name, node)
        for name, namespace in told.namespaces.items():
            self.world.set_namespace(name, None if namespace is None else meta.labels(namespace))
        for key, (pod, lease) in told.pods.items():
            self._pod(key, pod, lease)
        for key, policy in told.policies.items():
            self._policy(key, policy, told.refused.get(key, ""))

    @property
    def exceptions(self) -> dict[str, tuple[int, str]]:
        """Of the ClusterNetworkPolicies that are not carried out the generation, and why."""
        return {key: fault for key, fault in self._intake.faults.items() if "/" not in key}

    @property
    def progress(self) -> str:
        """Which ClusterNetworkPolicies are carried out, in the words of `policy_progress`."""
        faults = self._intake.faults
        return policy_progress.written(policy_progress.joined(found for key, found in self._marks.items() if key not in faults))

    def owner(self, address: str) -> str:
        """namespace/name of the pod that has the address, "" when none has. One look-up, for any thread."""
        found = self.world.owner(address)
        return "" if found is None else found.key

    def _forget(self) -> None:
        """What is gone by the time somebody watches again is told by nobody, and its addresses may be another one's then."""
        self.world.forget()
        self._pods.clear()
        self._shown = Shown()
        self._ranges = Ranges()

    def _node(self, name: str, node: Object | None) -> None:
        self.world.set_node(name, None if node is None else node_facts(node))
        for network in self._ranges.set(name, () if node is None else pod_networks(node)):
            for key in self._shown.within(network):
                self._place(key)

    def _pod(self, key: str, pod: Object | None, lease: tuple[str, ...]) -> None:
        if pod is None:
            self._pods.pop(key, None)
            self._shown.set(key, ())
            self.world.set_pod(key, None)
            return
        self._pods[key] = pod, lease
        self._shown.set(key, addresses(pod.get("status") or {}))
        self._place(key)

    def _place(self, key: str) -> None:
        pod, lease = self._pods[key]
        self.world.set_pod(key, facts(pod, self._config, lease, self._ranges))

    def _policy(self, key: str, obj: Object | None, refused: str) -> None:
        if obj is None:
            self._intake.forget(key)
        elif refused:
            self._intake.refuse(key, refused)
        else:
            self._intake.changed(key)
        self.world.set_policy(key, None if obj is None else self._intake.taken(obj))
        self._marks.pop(key, None)
        if obj is not None and "/" not in key:
            self._marks[key] = policy_progress.mark(obj)
        # There may be room now for the first of those for which there was none.
        beyond = self._intake.next_beyond(key)
        if beyond is not None:
            self.world.set_policy(meta.key(beyond), self._intake.taken(beyond))
