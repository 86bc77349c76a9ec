"""The definition of ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2). Pure.

What the published one of the standard channel takes is taken, and `nodes` of the experimental channel. Refused with a sentence, where the
published one leaves it to whoever carries policies out: selectors that are none, named ports of what has none, and names of domains.
Source: kubernetes-sigs/network-policy-api, apis/v1alpha2 and config/crd.
"""

from pilothouse.engine.controllers.own_kinds import APPROVED, definition
from pilothouse.model.json import Object
from pilothouse.model.network_policies import CLUSTERNETWORKPOLICIES

Schema = Object
_APPROVAL = "https://github.com/kubernetes-sigs/network-policy-api/pull/300"
MOST = 25
"""Rules of a direction, peers and protocols of a rule, networks of a peer."""
_MOST_LABELS = 64
_ATOMIC: Schema = {"x-kubernetes-list-type": "atomic"}


def _text(description: str = "", **more: object) -> Schema:
    return {"type": "string"} | ({"description": description} if description else {}) | more


def _object(properties: Schema, *required: str, **more: object) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {}) | more


def _list(of: Schema, least: int = 1, most: int = MOST, **more: object) -> Schema:
    return {"type": "array", "items": of, "maxItems": most} | ({"minItems": least} if least else {}) | more


def _rule(message: str, rule: str) -> Schema:
    return {"x-kubernetes-validations": [{"message": message, "rule": rule}]}


def _one(**properties: Schema) -> Schema:
    """Exactly one of them."""
    return _object(properties, maxProperties=1, minProperties=1)


def _selector(description: str) -> Schema:
    values = _list(_text(maxLength=63), 0, _MOST_LABELS) | _ATOMIC
    of_operator = (
        'self.operator in ["In", "NotIn"] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0'
    )
    requirement = _object(
        {"key": _text(maxLength=317), "operator": _text(enum=["In", "NotIn", "Exists", "DoesNotExist"]), "values": values},
        "key",
        "operator",
    ) | _rule("In and NotIn need values; Exists and DoesNotExist take none", of_operator)
    return _object(
        {
            "matchExpressions": _list(requirement, 0, _MOST_LABELS) | _ATOMIC,
            "matchLabels": {"type": "object", "additionalProperties": _text(maxLength=63), "maxProperties": _MOST_LABELS},
        },
        description=description,
        **{"x-kubernetes-map-type": "atomic"},
    )


_PODS = _object(
    {
        "namespaceSelector": _selector("Namespaces by their labels; empty: all."),
        "podSelector": _selector("Pods of these namespaces by their labels; empty: all."),
    },
    "podSelector",
    description="Pods by their labels and those of their namespaces. Pods in the network of their node are not meant.",
)
_NAMESPACES = _selector("All pods of the namespaces with these labels. Pods in the network of their node are not meant.")
_CIDR = _text("A network, as 10.0.0.0/8 or fd00::/8.", maxLength=43) | _rule("Invalid CIDR format provided", "isCIDR(self)")
_NETWORKS = _list(_CIDR, description="Addresses by network; those of pods count, too.") | {"x-kubernetes-list-type": "set"}
_NO_DOMAINS = "domainNames are not carried out by this cluster: name the networks instead"
_DOMAINS = _list(_text(maxLength=253), 0, description="Not carried out: refused.") | _rule(_NO_DOMAINS, "false")

_NUMBER: Schema = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}
_SPAN = _object({"start": _NUMBER, "end": _NUMBER}, "start", "end", description="Both ends belong to it.")
_SPAN |= _rule("Start port must be less than End port", "self.start < self.end")
_PORT = _one(number=_NUMBER, range=_SPAN)


def _protocol(name: str) -> Schema:
    return _object({"destinationPort": _PORT}, description=f"Packets of {name.upper()} to a port.", minProperties=1)


_PROTOCOL = _one(
    tcp=_protocol("tcp"),
    udp=_protocol("udp"),
    sctp=_protocol("sctp"),
    destinationNamedPort=_text("Packets to the port that the pod gives this name.", maxLength=63),
)
_ACTION = _text(
    "Accept: it passes, nobody else is asked. Deny: it is dropped. Pass: the rest of the tier is not asked, the next one is.",
    enum=["Accept", "Deny", "Pass"],
)
_NAMED = "networks/nodes/domainNames peer cannot be set with namedPorts since there are no namedPorts for networks/nodes/domainNames"
_UNNAMED = (
    "!(self.to.exists(peer, has(peer.networks) || has(peer.nodes)) && has(self.protocols)"
    " && self.protocols.exists(protocol, has(protocol.destinationNamedPort)))"
)


def _rules(side: str, peer: Schema, **more: object) -> Schema:
    properties = {
        "name": _text("What the rule is called where packets are told of that it has dropped.", maxLength=100),
        "action": _ACTION,
        side: _list(peer, description="Whom the rule is about: any of these."),
        "protocols": _list(_PROTOCOL, description="On which ports; left out: all packets of any protocol."),
    }
    return _list(_object(properties, "action", side) | more, 0, description="Asked in this order; the first that matches decides.")


_SPEC = _object(
    {
        "tier": _text("Admin is asked before NetworkPolicies, Baseline for pods that none of them selects.", enum=["Admin", "Baseline"]),
        "priority": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000, "description": "The smaller is asked first."},
        "subject": _one(namespaces=_NAMESPACES, pods=_PODS) | {"description": "The pods that the policy holds for."},
        "ingress": _rules("from", _one(namespaces=_NAMESPACES, pods=_PODS)),
        "egress": _rules(
            "to",
            _one(
                namespaces=_NAMESPACES,
                pods=_PODS,
                nodes=_selector("Nodes by their labels: the addresses that their status shows."),
                networks=_NETWORKS,
                domainNames=_DOMAINS,
            ),
            **_rule(_NAMED, _UNNAMED),
        ),
    },
    "tier",
    "priority",
    "subject",
)
_CONDITION = _object(
    {
        "type": _text(maxLength=316),
        "status": _text(enum=["True", "False", "Unknown"]),
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": _text(format="date-time"),
        "reason": _text(maxLength=1024),
        "message": _text(maxLength=32768),
    },
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
)
_CONDITIONS = {"type": "array", "items": _CONDITION, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
_SCHEMA = _object(
    {
        "apiVersion": _text(),
        "kind": _text(),
        "metadata": {"type": "object"},
        "spec": _SPEC,
        "status": _object({"conditions": _CONDITIONS}, "conditions"),
    },
    "metadata",
    "spec",
    description="What pods of the whole cluster may send and receive: whatever their namespaces say (Admin), or where these say nothing.",
)


_ACCEPTED = '.status.conditions[?(@.type=="Accepted")]'
_COLUMNS = (
    ("Tier", ".spec.tier", "string"),
    ("Priority", ".spec.priority", "string"),
    ("Accepted", f"{_ACCEPTED}.status", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)
_WIDE = (("Nodes", f"{_ACCEPTED}.message", "string"),)
DEFINITION = definition(CLUSTERNETWORKPOLICIES, _SCHEMA, _COLUMNS, wide=_WIDE, annotations={APPROVED: _APPROVAL})
