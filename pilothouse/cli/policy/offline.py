"""Judges cases by objects alone, with the node's own judge and the node's bounds: nothing is sent, no cluster is asked (pure).

A workload stands for its pods by its template. A pod without an address gets one of 10.244.0.0/16 and fd00:244::/48; rules about networks
see that one. IPv6 counts where the objects or the case speak of it.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pilothouse.cli.policy.cases import Case, End, Result, of_families
from pilothouse.cli.policy.suite import SuiteError
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.network.policy import cluster_policy, network_policy
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.intake import Intake
from pilothouse.network.policy.judge import Judgement, Packet, judge
from pilothouse.network.policy.pods import PodFacts, addresses, facts, node_facts, pod_networks
from pilothouse.network.policy.world import World

DNS = ("169.254.20.10", "fd00:244::a")
CONFIG = NetworkPolicyConfig(
    instance="test", node="here", dns_addresses=DNS, local_cidrs=("0.0.0.0/0", "::/0"), cluster_cidrs=("0.0.0.0/0", "::/0")
)
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")
_FAULTS = (ValueError, LookupError, TypeError, AttributeError)
_NAME_LABEL = "kubernetes.io/metadata.name"


class Cluster:
    """objects: as manifests or the API server have them; those of kinds that matter nothing to policies are left out.

    complaints: of policies that nodes do not carry out, and why. has_ipv6: whether the objects speak of it.

    Raises SuiteError for a policy that cannot be read.
    """

    def __init__(self, objects: Iterable[Object]) -> None:
        self.world = World(CONFIG)
        self.complaints: list[str] = []
        self._intake = Intake(lambda obj, why: self.complaints.append(f"{obj['kind']} {meta.key(obj)}: {why}"))
        self._addresses = ([f"10.244.{n >> 8}.{n & 255}", f"fd00:244::1:{n:x}"] for n in itertools.count(2))
        self._pods: dict[tuple[str, str], PodFacts] = {}
        self._namespaces: set[str] = set()
        known = list(objects)
        self.has_ipv6 = any(":" in each for obj in known for each in _networks(obj))
        for obj in known:
            if obj.get("kind") == "Namespace":
                self._namespace(meta.name(obj), meta.labels(obj))
        for obj in known:
            self._take(obj)

    def _take(self, obj: Object) -> None:
        kind = str(obj.get("kind") or "")
        try:
            if kind == "NetworkPolicy":
                self._space(meta.namespace(obj) or "default")
                self._policy(defaulted(obj))
            elif kind == "ClusterNetworkPolicy":
                self._policy(obj)
            elif kind == "Node":
                self.world.set_node(meta.name(obj), node_facts(obj))
            elif kind == "Pod":
                self._pod(obj, obj)
            elif kind in WORKLOADS:
                self._pod(obj, (obj["spec"].get("jobTemplate") or obj)["spec"]["template"])
        except _FAULTS as error:
            raise SuiteError(f"{kind} {meta.key(obj) if obj.get('metadata') else ''} cannot be read: {error}") from error

    def _policy(self, obj: Object) -> None:
        # What cannot be read is an error of the file; what is too large is carried out as nodes do.
        (network_policy if obj["kind"] == "NetworkPolicy" else cluster_policy).parse(obj)
        self.world.set_policy(meta.key(obj), self._intake.taken(obj))

    def _space(self, name: str) -> None:
        if name not in self._namespaces:
            self._namespace(name, {})

    def _namespace(self, name: str, labels: "dict[str, str]") -> None:
        self._namespaces.add(name)
        self.world.set_namespace(name, {**labels, _NAME_LABEL: name})

    def _pod(self, named: Object, pod: Object) -> PodFacts | None:
        """named: whose name it has; pod: with its labels, ports and addresses."""
        namespace, name = meta.namespace(named) or "default", meta.name(named)
        self._space(namespace)
        shown = addresses(pod.get("status") or {})
        metadata = {"name": name, "namespace": namespace, "labels": meta.labels(pod) if pod.get("metadata") else {}}
        spec = {**pod["spec"], "nodeName": CONFIG.node}
        found = facts({"metadata": metadata, "spec": spec, "status": {}}, CONFIG, tuple(shown or next(self._addresses)))
        if found is not None:
            self._pods[namespace, name] = found
            self.world.set_pod(found.key, found)
        return found

    def find(self, end: End) -> PodFacts | None:
        """The pod that is meant; None for an address without one. Raises SuiteError."""
        if end.labels is not None:
            wanted = end.labels.items()
            match = (each for (space, _), each in self._pods.items() if space == end.namespace and wanted <= each.labels.items())
            return next(match, None) or self._stand_in(end)
        if end.address or end.is_dns:
            return self.world.owner(end.address)
        found = self._pods.get((end.namespace, end.name))
        if found is None:
            raise SuiteError(f"there is no pod or workload {end.shown} in what was read: `manifests` has to name its file, too")
        return found

    def running(self, end: End) -> PodFacts | None:
        """The pod that is meant, where there is one: by name, by labels, or the replica of a workload."""
        if end.is_dns or end.address:
            return self.world.owner(end.address)
        meant = [each for each in self._pods.values() if is_meant(end, each.namespace, each.key.partition("/")[2], each.labels)]
        return next(iter(meant), None) if end.labels is not None else min(meant, key=lambda each: each.key, default=None)

    def _stand_in(self, end: End) -> PodFacts | None:
        """A pod with these labels, as there may be one."""
        labels = dict(end.labels or {})
        name = f"with-{'-'.join(labels.values()) or 'no-labels'}"
        return self._pod(
            {"metadata": {"name": name, "namespace": end.namespace}}, {"metadata": {"labels": labels}, "spec": {"containers": []}}
        )


def is_meant(end: End, namespace: str, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod is one that is written by its labels, by its name, or by that of its workload."""
    if namespace != end.namespace:
        return False
    return end.labels.items() <= labels.items() if end.labels is not None else name == end.name or name.startswith(f"{end.name}-")


def tried(cases: Sequence[Case], cluster: Cluster) -> list[Result]:
    """Raises SuiteError for a case that speaks of what is not there."""
    return [_tried(case, cluster) for case in cases]


def _tried(case: Case, cluster: Cluster) -> Result:
    source, target = cluster.find(case.source), cluster.find(case.target)
    judged = [(pair, judged_by(case, cluster, target, pair)) for pair in pairs(case, cluster, source, target)]
    return of_families([(family(pair), Result(case, found.passes, words(found), would=found.would)) for pair, found in judged])


def judged_by(case: Case, cluster: Cluster, target: PodFacts | None, pair: tuple[str, str]) -> Judgement:
    """What the rules say of a packet from the one address to the other. Raises SuiteError."""
    return judge(cluster.world, CONFIG, Packet(*pair, case.protocol.lower(), port_number(case, target)))


def _addresses(end: End, pod: PodFacts | None) -> tuple[str, ...]:
    if end.is_dns:
        return DNS
    return pod.addresses if pod is not None else (end.address,)


def pairs(case: Case, cluster: Cluster, source: PodFacts | None, target: PodFacts | None) -> list[tuple[str, str]]:
    """The addresses that the packet may have, one pair an IP family. Raises SuiteError."""
    targets = _addresses(case.target, target)
    every = [(own, other) for own in _addresses(case.source, source) for other in targets if (":" in own) == (":" in other)]
    by_family = {family(pair): pair for pair in reversed(every)}
    if case.family:
        by_family = {name: pair for name, pair in by_family.items() if name == case.family}
    elif not cluster.has_ipv6 and len(by_family) > 1:
        del by_family["IPv6"]
    if not by_family:
        raise SuiteError(f"{case.shown}: the two ends have no addresses of {case.family or 'one IP family'}")
    return [by_family[name] for name in sorted(by_family)]


def family(pair: tuple[str, str]) -> str:
    return "IPv6" if ":" in pair[0] else "IPv4"


def port_number(case: Case, target: PodFacts | None) -> int:
    """0 for protocols without ports. Raises SuiteError for a name that the target has not."""
    if not case.port or case.port.isdecimal():
        return int(case.port or 0)
    ports = [number for protocol, name, number in (target.ports if target is not None else ()) if (protocol, name) == _named(case)]
    if not ports:
        raise SuiteError(f"{case.shown}: {case.target.shown} has no {case.protocol} port {case.port}")
    return ports[0]


def _named(case: Case) -> tuple[str, str]:
    return case.protocol.lower(), case.port


def words(found: Judgement) -> str:
    """Who has decided."""
    if not found.policies:
        return "no policy is against it"
    named = ", ".join(found.policies[:3]) + (" and others" if len(found.policies) > 3 else "")
    rule = f", rule {found.rule}" if found.rule else ""
    return f"{found.direction} of {named}{rule}"


def _networks(obj: Object) -> Iterator[str]:
    """Addresses and networks that an object speaks of; of what cannot be read, none."""
    try:
        yield from (*addresses(obj.get("status") or {}), *pod_networks(obj)) if obj.get("kind") in ("Pod", "Node") else ()
        spec = obj.get("spec") or {} if str(obj.get("kind")).endswith("NetworkPolicy") else {}
        for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
            for peer in (*(rule.get("from") or ()), *(rule.get("to") or ())):
                yield from (str(each) for each in ((peer.get("ipBlock") or {}).get("cidr"), *(peer.get("networks") or ())) if each)
    except _FAULTS:
        return


def defaulted(obj: Object) -> Object:
    """As the API server fills it."""
    spec = dict(obj.get("spec") or {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    return {**obj, "metadata": {"namespace": "default", **obj["metadata"]}, "spec": spec}
