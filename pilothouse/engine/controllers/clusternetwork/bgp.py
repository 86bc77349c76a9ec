"""The part of a ClusterNetwork that the back end BGP reads. Pure."""

from pilothouse.model.json import Object

Schema = Object


def _integer(description: str, least: int, most: int, **more: object) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": most, "description": description} | more


def _networks(description: str) -> Schema:
    network = {
        "type": "string",
        "maxLength": 64,
        "x-kubernetes-validations": [
            {"rule": "isCIDR(self) && cidr(self) == cidr(self).masked()", "message": "is no network such as 192.0.2.0/24"}
        ],
    }
    return {"type": "array", "maxItems": 64, "items": network, "description": description}


_SELECTOR: Schema = {
    "type": "object",
    "description": "Labels of these nodes.",
    "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {
            "type": "array",
            "maxItems": 64,
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": {"type": "string"},
                    "operator": {"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "maxItems": 256, "items": {"type": "string"}},
                },
            },
        },
    },
}
BGP_SCHEMA: Schema = {
    "type": "object",
    "description": "What nodes tell each other and routers; counts for the back end BGP.",
    "default": {},
    "properties": {
        "asNumber": _integer("Of all nodes.", 1, 4294967294, default=64512),
        "nodeMesh": {"type": "boolean", "default": True, "description": "Whether each node has a session with every other one."},
        "listenPort": _integer("TCP port at which nodes take each other's sessions; routers reach them at 179.", 1, 65535, default=179),
        "routeReflectors": {
            "type": "object",
            "description": "Nodes that hand on what the others announce, in the place of the mesh.",
            "required": ["nodeSelector"],
            "properties": {
                "nodeSelector": _SELECTOR,
                "clusterID": {
                    "type": "string",
                    "format": "ipv4",
                    "default": "224.0.0.1",
                    "description": "By which reflectors know what has come through one of them before.",
                },
            },
        },
        "holdTimeSeconds": _integer("After how long without a word another node is taken to be gone.", 3, 65535, default=90),
        "keepaliveTimeSeconds": _integer("How often nodes say that they are there; left out: a third of that.", 1, 21845),
        "gracefulRestartSeconds": _integer("For how long a node's routes stay while its BIRD is started again.", 1, 4095, default=120),
        "announce": {
            "type": "object",
            "description": "What routers (BGPPeers) are told beside the addresses of load balancers (BGPAdvertisements).",
            "properties": {
                "podNetworks": {"type": "boolean", "default": True, "description": "Each node's range of pods."},
                "clusterIPs": _networks("Networks of cluster IPs."),
                "externalIPs": _networks("Networks of external IPs."),
            },
        },
        "acceptedNetworks": _networks("Inside of which routers may announce routes to nodes; left out: nothing."),
        "maxPrefixes": _integer("How many routes a router may announce before its session ends.", 1, 1000000, default=1000),
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.keepaliveTimeSeconds) || self.keepaliveTimeSeconds <= self.holdTimeSeconds",
            "message": "keepaliveTimeSeconds is at most holdTimeSeconds",
        }
    ],
}
