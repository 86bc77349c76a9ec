"""The part of a ClusterNetwork that the back end BGP reads. Pure."""

from pilothouse.model.json import Object

Schema = Object

BGP_SCHEMA: Schema = {
    "type": "object",
    "description": "What nodes tell each other and routers; counts for the back end BGP.",
    "default": {},
    "properties": {
        "asNumber": {
            "type": "integer",
            "format": "int64",
            "minimum": 1,
            "maximum": 4294967294,
            "default": 64512,
            "description": "Of all nodes.",
        },
        "nodeMesh": {"type": "boolean", "default": True, "description": "Whether each node has a session with every other one."},
        "listenPort": {
            "type": "integer",
            "format": "int64",
            "minimum": 1,
            "maximum": 65535,
            "default": 179,
            "description": "TCP port at which nodes take sessions.",
        },
    },
}
