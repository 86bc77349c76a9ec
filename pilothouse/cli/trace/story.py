"""What the nodes' reports amount to: hop by hop, and the one thing that ended the packet. Pure.

A report is what a node answers to POST /trace: the steps of the packet's way through its rules (see pilothouse.network.trace).
Tables are told apart by their names, and what a rule is for by its chain's: no part of a rule's text is relied on.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pilothouse.cli.trace.target import Endpoint, Target, addresses
from pilothouse.cli.why.service_causes import is_internal_local, of_port, way_out
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import serving_nodes
from pilothouse.model.policy_refusals import WOULD, is_rehearsed
from pilothouse.model.selector import from_label_selector
from pilothouse.network.policy import network_policy
from pilothouse.network.policy.intake import FAULTS_OF_DATA
from pilothouse.network.policy.units import REFUSE, denial

ANSWERED, DELIVERED, DROPPED, REFUSED, LOST, UNANSWERED = "answered", "delivered", "dropped", "refused", "lost", "unanswered"
OWN, SERVICES, POLICIES, PODS = "-trace", "-svc", "-policy", "-pod"
"""How the names of Pilothouse's tables end."""


_INGRESS, _EGRESS = ("ingress", "entering"), ("egress", "leaving", "input")
"""How names of chains begin that judge packets to a pod and from one."""
_TIERS = ("Admin", "Baseline")
"""Of ClusterNetworkPolicies; their chains carry the tier in their names."""


@dataclass(frozen=True, slots=True)
class Hop:
    node: str
    what: str


@dataclass(frozen=True, slots=True)
class Story:
    """outcome: one of the words above. cause: a sentence, "" where nothing is wrong. rule: of the drop, as nft shows it.

    would: who in rehearsal would drop it.
    """

    hops: tuple[Hop, ...]
    outcome: str
    cause: str = ""
    rule: str = ""
    table: str = ""
    chain: str = ""
    policies: tuple[str, ...] = ()
    would: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the reports. sender: the pod. pods: by NAMESPACE/NAME. policies: all NetworkPolicies of both namespaces.
    cluster_policies: all ClusterNetworkPolicies. selected: pods that the Service's selector matches and that have not ended; read for a
    Service that leads nowhere alone.

    node_addresses: by node's name.
    """

    sender: Object
    target: Target
    pods: Mapping[str, Object] = field(default_factory=dict)
    policies: Sequence[Object] = ()
    cluster_policies: Sequence[Object] = ()
    selected: Sequence[Object] = ()
    node_addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)


def story(facts: Facts, reports: Mapping[str, Object], unasked: Mapping[str, str] | None = None) -> Story:
    """reports: by node, the sender's among them. unasked: nodes that could not be asked, and why."""
    home = facts.sender["spec"]["nodeName"]
    teller = _Teller(facts, home)
    first = reports[home]
    sent = first["sent"] or {"result": "not sent", "message": ""}
    ended = teller.through(home, first["steps"], is_home=True)
    if ended is not None:
        return teller.ended(ended, sent)
    if not first["steps"]:
        return teller.unseen(sent)
    away = teller.node_of_end()
    if away and away != home and teller.is_on_its_way:
        report = reports.get(away)
        if report is None:
            why = (unasked or {}).get(away, "it was not known when the packet was sent")
            teller.hops.append(Hop(away, f"cannot be asked: {why}"))
            if sent["result"] == "silent":
                return teller.end(
                    UNANSWERED, f"no answer came back, and node {away}, where the packet was to arrive, cannot be asked: {why}"
                )
        else:
            if not report["steps"]:
                return teller.end(LOST, _lost_between(home, away))
            ended = teller.through(away, report["steps"], is_home=False)
            if ended is not None:
                return teller.ended(ended, sent)
    return teller.answered(sent)


class _Teller:
    """Gathers the hops. flow: the packet as it was seen last."""

    def __init__(self, facts: Facts, home: str) -> None:
        self.facts = facts
        self.home = home
        self.hops: list[Hop] = []
        self.would: list[str] = []
        self.flow: Object = {}
        self.is_on_its_way = False

    def through(self, node: str, steps: Sequence[Object], *, is_home: bool) -> Story | None:
        """The packet's way through a node; a story when it ends there."""
        if not steps:
            return None
        first = steps[0]
        self._see(first)
        came = f"leaves pod {_key(self.facts.sender)}" if is_home else f"arrives by {first['in'] or 'a link'}"
        self.hops.append(Hop(node, f"{came} as {_shown(self.flow)}"))
        for number, step in enumerate(steps):
            self._translated(node, step)
            if _is_noted(step):
                self._noted(node, step["chain"])
            if step["verdict"] == "drop":
                return self._dropped(node, step, _path(steps[: number + 1]))
        return self._out(node, steps)

    def _noted(self, node: str, chain: str) -> None:
        """A rehearsal would have dropped it. chain: its name says in which direction, and of a ClusterNetworkPolicy in which tier."""
        direction, _, rest = chain.partition(f"-{WOULD}-")
        tier = next((tier for tier in _TIERS if rest.startswith(f"{tier.lower()}-")), "")
        if tier:
            found = [each for each in self.facts.cluster_policies if _denies(each, tier, direction) and is_rehearsed(each)]
            who = f"ClusterNetworkPolicy {', '.join(sorted(each['metadata']['name'] for each in found)) or 'gone by now'}"
        else:
            pod = self._judged(is_ingress=direction == "ingress")
            selecting = [each for each in self.facts.policies if pod is not None and _selects(each, pod, direction.title())]
            who = f"NetworkPolicy {', '.join(sorted(_key(each) for each in selecting if is_rehearsed(each))) or 'gone by now'}"
        if (words := f"{who} ({direction})") not in self.would:
            self.would.append(words)
            self.hops.append(Hop(node, f"would be dropped by {words}, which is in rehearsal"))

    def _judged(self, *, is_ingress: bool) -> Object | None:
        """The pod whose policies are asked, where it is known."""
        endpoint = self.facts.target.endpoint(self.flow["destination"])
        return self.facts.pods.get(endpoint.pod) if is_ingress and endpoint is not None else self.facts.sender

    def _see(self, step: Object) -> None:
        if step["packet"] is not None:
            self.flow = step["packet"]

    def _translated(self, node: str, step: Object) -> None:
        """Notes a new destination or source."""
        before = self.flow
        self._see(step)
        if not before or before == self.flow:
            return
        if _end(before) != _end(self.flow):
            endpoint = self.facts.target.endpoint(self.flow["destination"])
            what = f"{_named(endpoint)} at " if endpoint is not None else ""
            self.hops.append(Hop(node, f"{self.facts.target.shown} leads to {what}{_place(*_end(self.flow))}"))
        elif before["source"] != self.flow["source"]:
            self.hops.append(Hop(node, f"its source is hidden behind {self.flow['source']}"))

    def _out(self, node: str, steps: Sequence[Object]) -> Story | None:
        """After all rules of a node: out by a link, to the node itself, or nowhere."""
        last = {step["chain"]: step for step in steps if step["table"].endswith(OWN) and step["packet"] is not None}
        self.is_on_its_way = False
        if "postrouting-last" in last:
            out = last["postrouting-last"]["out"]
            is_there = self.node_of_end() == node
            self.is_on_its_way = not is_there
            self.hops.append(Hop(node, f"leaves by {out}" + (", the way to the pod" if is_there else "")))
            return None
        if "input-last" in last:
            self.hops.append(Hop(node, "is for the node itself, and reaches it"))
            return None
        if "forward-last" in last:
            return self.end(LOST, f"node {node} has taken the packet for another host, and nothing shows that it was sent on")
        place = self.flow["destination"]
        return self.end(DROPPED, f"node {node} has no route to {place}: a packet for it is not forwarded (`ip route get {place}` there)")

    def node_of_end(self) -> str:
        """Where the packet's destination is, "" for one outside."""
        place = self.flow.get("destination", "")
        endpoint = self.facts.target.endpoint(place)
        if endpoint is not None:
            return endpoint.node
        return next((node for node, addresses in self.facts.node_addresses.items() if place in addresses), "")

    def answered(self, sent: Object) -> Story:
        place = _place(*_end(self.flow)) if self.flow else self.facts.target.address
        match sent["result"]:
            case "answered":
                return self.end(ANSWERED)
            case "refused":
                return self.end(REFUSED, f"{place} is reached and refuses: nothing listens on port {self.flow['destination_port']}")
            case "silent" if self.facts.target.protocol == "udp":
                return self.end(DELIVERED)
            case "silent":
                return self.end(UNANSWERED, _silence(place, is_outside=not self.node_of_end()))
        return self.end(LOST, f"no answer from {place}: {sent['message'] or sent['result']}")

    def unseen(self, sent: Object) -> Story:
        """Of a packet that no rule of a node has met."""
        target, result = self.facts.target, sent["result"]
        is_within = target.address in addresses(self.facts.sender) or ipaddress.ip_address(target.address).is_loopback
        stays = f"the packet does not leave pod {_key(self.facts.sender)}"
        if is_within and result == REFUSED:
            return self.end(REFUSED, f"{stays}, and nothing listens on port {target.port} there")
        if is_within and result == "silent":
            return self.end(DELIVERED) if target.protocol == "udp" else self.end(UNANSWERED, f"{stays}, and no answer came back")
        if is_within and result == ANSWERED:
            return self.end(ANSWERED)
        if result == ANSWERED:
            return self.end(ANSWERED, "nothing is told of its way")
        return self.end(LOST, f"the packet has not left the pod: {sent['message'] or 'nothing came out of it'}")

    def ended(self, told: Story, sent: Object) -> Story:
        """Of a packet that ended on its way, as the steps tell. The first one may have, and one sent again been answered."""
        if sent["result"] != "answered":
            return told
        return self.end(ANSWERED, f"what is told of its way is not all: by that it would be {told.outcome}")

    def end(self, outcome: str, cause: str = "") -> Story:
        return Story(tuple(self.hops), outcome, cause, would=tuple(self.would))

    def _dropped(self, node: str, step: Object, path: Sequence[str]) -> Story:
        """path: the chains of its table that led to the rule."""
        cause, policies = self._cause(node, step, path)
        rule = step["rule"] or f"policy of chain {step['chain']}"
        self.hops.append(Hop(node, f"is dropped by table {step['family']} {step['table']}, chain {step['chain']}"))
        is_refusal = step["table"].endswith(SERVICES) and step["chain"] == "refuse"
        outcome = REFUSED if is_refusal else DROPPED
        table = f"{step['family']} {step['table']}"
        return Story(tuple(self.hops), outcome, cause, rule, table, step["chain"], policies, tuple(self.would))

    def _cause(self, node: str, step: Object, path: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        table, chain = step["table"], step["chain"]
        if table.startswith("pilothouse-") and table.endswith(SERVICES):
            return self._of_service(node, chain), ()
        if table.startswith("pilothouse-") and table.endswith(POLICIES):
            return self._of_policies(node, path)
        if table.startswith("pilothouse-") and table.endswith(PODS):
            return f"the pod network of node {node} takes no such packet from this pod: {step['rule']}", ()
        whose = f"table {step['family']} {table}, chain {chain}"
        how = f"the rule `{step['rule']}`" if step["rule"] else "the chain's policy"
        return f"another firewall on node {node} drops it: {whose}, by {how}", ()

    def _of_service(self, node: str, chain: str) -> str:
        target = self.facts.target
        kind = chain.partition("-")[0]
        if kind == "f":
            ranges = ", ".join((target.service or {}).get("spec", {}).get("loadBalancerSourceRanges") or ())
            whom = f"{ranges or 'certain networks'} alone (loadBalancerSourceRanges)"
            return f"{target.shown} takes packets from {whom}, not from {self.flow['source']}"
        service = target.service
        if service is None:
            return f"no Service has the address {target.address} and {target.protocol} port {target.port}, or it leads nowhere"
        if kind in ("l", "x"):
            return self._no_endpoint_here(node, "externalTrafficPolicy")
        if (found := of_port(service, target.service_port, self.facts.selected, target.slices)) is not None:
            return f"{target.shown} has no endpoint: {', so '.join(found.chain)}; {found.next_step}"
        if is_internal_local(service) and node not in serving_nodes(target.slices):
            return self._no_endpoint_here(node, "internalTrafficPolicy")
        return f"{target.shown} has no endpoint that node {node} leads to: its rules may be a moment behind, trace again"

    def _no_endpoint_here(self, node: str, policy: str) -> str:
        return f"{self.facts.target.shown} leads to endpoints of the packet's own node alone, and node {node} has none: {way_out(policy)}"

    def _of_policies(self, node: str, path: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """The policies that select the pod in the direction; all of them together have not allowed the packet."""
        directed = [chain.partition("-")[0] for chain in path]
        is_ingress = next((each in _INGRESS for each in reversed(directed) if each in (*_INGRESS, *_EGRESS)), False)
        # The one that sent it where it is dropped: those before have passed it on.
        chain = next((each for each in reversed(path) if each != REFUSE), "")
        tier = next((tier for tier in _TIERS if f"-{tier.lower()}-" in chain), "")
        if tier:
            return self._of_tier(tier, chain, is_ingress=is_ingress)
        pod = self._judged(is_ingress=is_ingress)
        direction = "Ingress" if is_ingress else "Egress"
        if pod is None:
            return f"a NetworkPolicy of node {node} does not allow it ({direction.lower()})", ()
        names = tuple(sorted(_key(each) for each in self.facts.policies if _selects(each, pod, direction) and not is_rehearsed(each)))
        verb = "to" if is_ingress else "from"
        if not names:
            return f"the network policies of pod {_key(pod)} do not allow it ({direction.lower()})", ()
        unfit = "".join(f"; {_key(each)} {why}" for each in self.facts.policies if _key(each) in names and (why := _unfit(each)))
        which = f"NetworkPolicy {names[0]} does not" if len(names) == 1 else f"none of the NetworkPolicies {', '.join(names)} does"
        what = f"{direction.lower()} {verb} pod {_key(pod)}, {self.flow['protocol']} port {self.flow['destination_port']}"
        return f"{which} allow it: {what}{unfit}", names

    def _of_tier(self, tier: str, chain: str, *, is_ingress: bool) -> tuple[str, tuple[str, ...]]:
        direction = "ingress" if is_ingress else "egress"
        named = [(each["metadata"]["name"], rule) for each in self.facts.cluster_policies if (rule := _denied_by(each, chain, direction))]
        which = " ".join(named[0]) if named else "that is gone by now"
        what = f"{direction}, {self.flow['protocol']} port {self.flow['destination_port']}"
        return f"ClusterNetworkPolicy {which} denies it in the tier {tier}: {what}", tuple(name for name, _ in named)


def _unfit(policy: Object) -> str:
    """Why nodes do not carry out a NetworkPolicy whatever it allows; "" where they do."""
    with suppress(*FAULTS_OF_DATA):
        if (made := network_policy.size(policy)) > network_policy.MOST_RULES:
            return f"allows nothing at all, since it makes {made} rules and {network_policy.MOST_RULES} are the most: split it"
    return ""


def _is_noted(step: Object) -> bool:
    """Whether a rehearsal has noted the packet: what such a chain allows, returns from it."""
    return bool(step["table"].endswith(POLICIES) and step["verdict"] == "continue" and f"-{WOULD}-" in step["chain"])


def _denies(policy: Object, tier: str, direction: str) -> bool:
    spec = policy["spec"]
    return spec.get("tier") == tier and any(rule.get("action") == "Deny" for rule in spec.get(direction) or ())


def _denied_by(policy: Object, chain: str, direction: str) -> str:
    """The rule of the policy that the chain stands for, in words; "" for none."""
    for number, rule in enumerate(policy["spec"].get(direction) or ()):
        if chain.endswith(denial(policy["metadata"]["name"], number)):
            return f"(rule {rule.get('name') or number + 1})"
    return ""


def _path(steps: Sequence[Object]) -> list[str]:
    """Names of chains of the last step's table, in the order in which the packet was there last."""
    table = steps[-1]["table"]
    found: list[str] = []
    for step in steps:
        if step["table"] == table:
            verb, _, chain = step["verdict"].partition(" ")
            found += [step["chain"], chain] if verb in ("jump", "goto") else [step["chain"]]
    return list(dict.fromkeys(reversed(found)))[::-1]


def _selects(policy: Object, pod: Object, direction: str) -> bool:
    spec = policy["spec"]
    if policy["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return direction in types and from_label_selector(spec.get("podSelector") or {}).matches(pod["metadata"].get("labels") or {})


def _silence(place: str, *, is_outside: bool) -> str:
    if is_outside:
        return f"the packet has left for {place}, outside the cluster, and no answer came back"
    return (
        f"the packet has reached {place} and no answer came back: a firewall inside the pod, a program whose queue is full, "
        "or an answer that is lost on its way"
    )


def _lost_between(home: str, away: str) -> str:
    return (
        f"the packet has left node {home} and never came to node {away}: the network between them drops it, or the back end's route or "
        f"tunnel does not lead there (`ph kubectl describe node {home}` and `{away}` tell how they reach each other)"
    )


def _key(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _named(endpoint: Endpoint) -> str:
    return f"pod {endpoint.pod}" + (f" on node {endpoint.node}" if endpoint.node else "") if endpoint.pod else "its endpoint"


def _end(flow: Object) -> tuple[str, int]:
    return flow["destination"], flow["destination_port"]


def _shown(flow: Object) -> str:
    return f"{flow['protocol']} {_place(flow['source'], flow['source_port'])} -> {_place(*_end(flow))}"


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
