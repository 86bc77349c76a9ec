"""The definition of the kind ClusterNetwork: what it accepts, and with which defaults. Pure."""

from pilothouse.engine.controllers.clusternetwork.bgp import BGP_SCHEMA
from pilothouse.engine.controllers.own_kinds import definition
from pilothouse.model.cluster_network import BACKENDS, CLUSTERNETWORKS, DEFAULTS, NAME, NO_ENCRYPTION, ROUTES, WIREGUARD
from pilothouse.model.json import Object

LEAST_MTU, MOST_MTU = 1280, 65535
"""RFC 8200, section 5: what every link carries that speaks IPv6."""

Schema = Object


def _integer(description: str, least: int, most: int, **more: object) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": most, "description": description} | more


def _object(properties: Schema, description: str = "", **more: object) -> Schema:
    return {"type": "object", "properties": properties} | ({"description": description} if description else {}) | more


def _text(description: str = "", **more: object) -> Schema:
    return {"type": "string"} | ({"description": description} if description else {}) | more


_VXLAN = _object(
    {
        "vni": _integer("The number of the tunnels' network.", 1, 16777215, default=DEFAULTS["vxlan"]["vni"]),
        "port": _integer("UDP port at which tunnels end.", 1, 65535, default=DEFAULTS["vxlan"]["port"]),
        "directRouting": {
            "type": "boolean",
            "default": DEFAULTS["vxlan"]["directRouting"],
            "description": "Whether nodes on a shared link are routed to without a tunnel.",
        },
    },
    "What tunnels are like; counts for the back end VXLAN.",
    default={},
)
_SPEC = _object(
    {
        "backend": _text(
            "How packets reach pods of other nodes. Routes: a route by each node, all on one link. VXLAN: tunnels. BGP: routes that nodes "
            "and routers tell each other. Host: the network around the nodes knows the way.",
            enum=list(BACKENDS),
            default=ROUTES,
        ),
        "vxlan": _VXLAN,
        "mtu": _integer(
            "The largest packet of pods in bytes; 0: what the nodes' links carry, less what the back end takes.", 0, MOST_MTU, default=0
        )
        | {"x-kubernetes-validations": [{"rule": f"self == 0 || self >= {LEAST_MTU}", "message": f"mtu is 0 or at least {LEAST_MTU}"}]},
        "bgp": BGP_SCHEMA,
        "encryption": _text("Whether packets between nodes are encrypted.", enum=[NO_ENCRYPTION, WIREGUARD], default=NO_ENCRYPTION),
    },
)
_SPEC["x-kubernetes-validations"] = [
    {
        "rule": f"self.encryption != '{WIREGUARD}' || self.backend == '{ROUTES}'",
        "message": f"encryption {WIREGUARD} brings tunnels of its own: it goes with backend {ROUTES}",
    }
]
_NUMBER: Schema = {"type": "integer", "format": "int64"}
_STATUS = _object(
    {
        "observedGeneration": _NUMBER,
        "nodes": _NUMBER | {"description": "How many nodes there are."},
        "following": _NUMBER | {"description": "How many have carried out the whole of what is set."},
        "progress": _text("Both, as following/nodes."),
        "waiting": {
            "type": "array",
            "description": "Nodes that have not, the first ten.",
            "items": _object({"node": _text(), "why": _text()}),
        },
        "conditions": {
            "type": "array",
            "items": _object({name: _text() for name in ("type", "status", "reason", "message", "lastTransitionTime")})
            | {"required": ["type", "status"]},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    }
)
_COLUMNS = (
    ("Backend", ".spec.backend", "string"),
    ("Encryption", ".spec.encryption", "string"),
    ("Following", ".status.progress", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)


def _definition() -> Object:
    whole = _object(
        {"apiVersion": _text(), "kind": _text(), "metadata": {"type": "object"}, "spec": _SPEC, "status": _STATUS}, required=["spec"]
    )
    whole["x-kubernetes-validations"] = [
        {"rule": f"self.metadata.name == '{NAME}'", "message": f"a cluster has one network, and that is named {NAME}"}
    ]
    return definition(CLUSTERNETWORKS, whole, _COLUMNS)


DEFINITION = _definition()
