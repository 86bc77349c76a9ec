"""The definitions of the kinds of metallb.io that address pools and announcements on a link need. Pure.

They take what the published ones take; what could not be carried out is refused when it is written, where the API server can tell.
Source: metallb/metallb config/crd/bases.
"""

from pilothouse.engine.controllers.own_kinds import definition
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import COMMUNITIES, CONFIGURATIONSTATES, IPADDRESSPOOLS, L2ADVERTISEMENTS, SERVICEL2STATUSES
from pilothouse.model.resource import Resource

MOST_RANGES, MOST_SELECTORS = 256, 64

Schema = Object


def text(description: str = "", **more: object) -> Schema:
    return {"type": "string"} | ({"description": description} if description else {}) | more


def object_(properties: Schema, *required: str, **more: object) -> Schema:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {}) | more


def array(items: Schema, description: str = "", most: int = MOST_SELECTORS) -> Schema:
    return {"type": "array", "maxItems": most, "items": items} | ({"description": description} if description else {})


_TERM = object_(
    {
        "key": text(),
        "operator": text(enum=["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": array(text(), most=MOST_RANGES),
    },
    "key",
    "operator",
)
SELECTOR = object_(
    {"matchExpressions": array(_TERM), "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}},
    **{"x-kubernetes-map-type": "atomic"},
)
"""A LabelSelector; an empty one selects everything."""
_COUNT: Schema = {"type": "integer", "format": "int64"}

_RANGE = text(maxLength=96) | {
    "x-kubernetes-validations": [
        {
            "message": "is neither a network such as 192.0.2.0/28 nor a range such as 192.0.2.10-192.0.2.20",
            "rule": "isCIDR(self.trim()) || (self.split('-').size() == 2 && self.split('-').all(each, isIP(each.trim()))"
            " && ip(self.split('-')[0].trim()).family() == ip(self.split('-')[1].trim()).family())",
        }
    ]
}
_POOL = object_(
    {
        "spec": object_(
            {
                "addresses": array(_RANGE, "Networks and ranges of addresses that may be given to Services.", MOST_RANGES),
                "autoAssign": {
                    "type": "boolean",
                    "default": True,
                    "description": "Whether Services get addresses of it that do not ask for it.",
                },
                "avoidBuggyIPs": {
                    "type": "boolean",
                    "default": False,
                    "description": "Whether addresses that end in .0 and .255 are left out.",
                },
                "serviceAllocation": object_(
                    {
                        "namespaceSelectors": array(SELECTOR, "Namespaces whose Services may have addresses of it."),
                        "namespaces": array(text(), "Names of such namespaces.", MOST_RANGES),
                        "priority": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "Pools with the lowest come first, those without one last.",
                        },
                        "serviceSelectors": array(SELECTOR, "Services that may have addresses of it."),
                    },
                    description="Which Services the pool is for; left out: for all.",
                ),
            },
            "addresses",
        ),
        "status": object_(
            {
                "assignedIPv4": _COUNT,
                "assignedIPv6": _COUNT,
                "availableIPv4": _COUNT,
                "availableIPv6": _COUNT,
            },
            description="How full it is.",
        ),
    },
    "spec",
)
_L2 = object_(
    {
        "spec": object_(
            {
                "interfaces": array(text(maxLength=15), "Where the addresses are announced; left out: where the link has their network."),
                "ipAddressPoolSelectors": array(SELECTOR, "Pools whose addresses are announced."),
                "ipAddressPools": array(text(), "Names of such pools; with neither: all.", MOST_RANGES),
                "nodeSelectors": array(SELECTOR, "Nodes that may announce them; left out: all."),
                "serviceSelectors": array(SELECTOR, "Services whose addresses are announced; left out: all."),
            }
        ),
        "status": {"type": "object"},
    }
)
_COMMUNITY = object_(
    {
        "spec": object_({"communities": array(object_({"name": text(), "value": text()}), "Names for BGP communities.", MOST_RANGES)}),
        "status": {"type": "object"},
    }
)
_L2_STATUS = object_(
    {
        "spec": {"type": "object"},
        "status": object_(
            {
                "interfaces": array(object_({"name": text()})),
                "node": text("Who answers for the addresses."),
                "serviceName": text(),
                "serviceNamespace": text(),
            }
        ),
    }
)
_CONDITION = object_(
    {
        "lastTransitionTime": text(format="date-time"),
        "message": text(maxLength=32768),
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "reason": text(minLength=1, maxLength=1024),
        "status": text(enum=["True", "False", "Unknown"]),
        "type": text(maxLength=316),
    },
    "lastTransitionTime",
    "message",
    "reason",
    "status",
    "type",
)
_STATE = object_(
    {
        "spec": object_({"nodeName": text(), "type": text(enum=["Controller", "Speaker"])}, "type"),
        "status": object_(
            {
                "conditions": array(_CONDITION) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
                "lastError": text("What is wrong with the configuration; empty when nothing is."),
                "validConfig": {"type": "boolean"},
            }
        ),
    }
)

_AGE = ("Age", ".metadata.creationTimestamp", "date")
_POOL_COLUMNS = (
    ("Auto Assign", ".spec.autoAssign", "boolean"),
    ("Avoid Buggy IPs", ".spec.avoidBuggyIPs", "boolean"),
    ("Addresses", ".spec.addresses", "string"),
)
_L2_COLUMNS = (
    ("IPAddressPools", ".spec.ipAddressPools", "string"),
    ("IPAddressPool Selectors", ".spec.ipAddressPoolSelectors", "string"),
    ("Interfaces", ".spec.interfaces", "string"),
)
_L2_STATUS_COLUMNS = (
    ("Allocated Node", ".status.node", "string"),
    ("Service Name", ".status.serviceName", "string"),
    ("Service Namespace", ".status.serviceNamespace", "string"),
)
_STATE_COLUMNS = (
    ("Type", ".spec.type", "string"),
    ("Node", ".spec.nodeName", "string"),
    ("Valid", ".status.validConfig", "boolean"),
    ("LastError", ".status.lastError", "string"),
    _AGE,
)


def of_metallb(resource: Resource, schema: Schema, columns: tuple[tuple[str, str, str], ...] = ()) -> Object:
    """schema: of spec and status."""
    properties = {"apiVersion": text(), "kind": text(), "metadata": {"type": "object"}} | schema["properties"]
    return definition(resource, schema | {"properties": properties}, columns)


DEFINITIONS = (
    of_metallb(IPADDRESSPOOLS, _POOL, _POOL_COLUMNS),
    of_metallb(L2ADVERTISEMENTS, _L2, _L2_COLUMNS),
    of_metallb(COMMUNITIES, _COMMUNITY),
    of_metallb(SERVICEL2STATUSES, _L2_STATUS, _L2_STATUS_COLUMNS),
    of_metallb(CONFIGURATIONSTATES, _STATE, _STATE_COLUMNS),
)
