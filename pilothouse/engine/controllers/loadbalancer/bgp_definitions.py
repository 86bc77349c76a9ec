"""The definitions of the kinds of metallb.io that BGP is configured by. Pure.

They take what the published ones take, but for what is not carried out: that is refused when it is written.
Source: metallb/metallb config/crd/bases.
"""

from pilothouse.engine.controllers.loadbalancer.definitions import MOST_RANGES, SELECTOR, Schema, array, object_, of_metallb, text
from pilothouse.model.bgp import BGPADVERTISEMENTS, BGPPEERS

_AS: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
_NOT_SUPPORTED = {
    "bfdProfile": "BFD",
    "vrf": "a VRF",
    "interface": "a session by interface instead of by address",
    "dynamicASN": "an AS number that is not stated",
    "routerID": "another router id than the node's",
    "connectTime": "another time between tries than 5 s",
}
_ALWAYS_ON = "graceful restart is always on: leave enableGracefulRestart out"
_OWN_NAMESPACE = "the Secret has to be in metallb-system: leave passwordSecret.namespace out"
_PEER = object_(
    {
        "spec": object_(
            {
                "myASN": _AS | {"minimum": 1, "description": "Of this end."},
                "peerASN": _AS | {"minimum": 1, "description": "Of the router."},
                "peerAddress": text("Of the router.", maxLength=64)
                | {"x-kubernetes-validations": [{"rule": "isIP(self)", "message": "is no IP address"}]},
                "sourceAddress": text("From which nodes speak with it; left out: their own.", maxLength=64),
                "peerPort": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 179, "description": "TCP port of the router."},
                "holdTime": text("After how long without a word the session ends, such as 90s.", maxLength=32),
                "keepaliveTime": text("How often this end says that it is there; left out: a third of that.", maxLength=32),
                "ebgpMultiHop": {"type": "boolean", "description": "Whether the router of another AS may be several links away."},
                "enableGracefulRestart": {"type": "boolean", "description": "Is always on."},
                "nodeSelectors": array(SELECTOR, "Nodes that have a session with it; left out: all."),
                "password": text("Of TCP MD5 (RFC 2385); better in passwordSecret.", maxLength=80),
                "passwordSecret": object_(
                    {"name": text(maxLength=253), "namespace": text(maxLength=63)},
                    description="A Secret of this namespace and of type kubernetes.io/basic-auth with the password.",
                ),
                **{name: text(f"Not supported: {what}.", maxLength=253) for name, what in _NOT_SUPPORTED.items()},
            },
            "myASN",
            "peerASN",
            "peerAddress",
            **{
                "x-kubernetes-validations": [
                    *(
                        {"rule": f"!has(self.{name}) || self.{name} == ''", "message": f"{what} is not supported: leave {name} out"}
                        for name, what in _NOT_SUPPORTED.items()
                    ),
                    {"rule": "!has(self.enableGracefulRestart) || self.enableGracefulRestart", "message": _ALWAYS_ON},
                    {
                        "rule": "!has(self.passwordSecret) || !has(self.passwordSecret.__namespace__) "
                        "|| self.passwordSecret.__namespace__ in ['', 'metallb-system']",
                        "message": _OWN_NAMESPACE,
                    },
                    {
                        "rule": "!(has(self.password) && self.password != '' && has(self.passwordSecret) && has(self.passwordSecret.name))",
                        "message": "password and passwordSecret exclude each other",
                    },
                ]
            },
        ),
        "status": {"type": "object"},
    },
    "spec",
)
_ADVERTISEMENT = object_(
    {
        "spec": object_(
            {
                "aggregationLength": {"type": "integer", "minimum": 1, "maximum": 32, "default": 32, "description": "Of IPv4 prefixes."},
                "aggregationLengthV6": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 128,
                    "default": 128,
                    "description": "Of IPv6 prefixes.",
                },
                "communities": array(text(maxLength=253), "Such as 64512:100, large:64512:1:2, or names in Communities.", MOST_RANGES),
                "ipAddressPoolSelectors": array(SELECTOR, "Pools whose addresses are announced."),
                "ipAddressPools": array(text(), "Names of such pools; with neither: all.", MOST_RANGES),
                "localPref": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "maximum": 4294967295,
                    "description": "To routers of the same AS.",
                },
                "nodeSelectors": array(SELECTOR, "Nodes that announce them; left out: all."),
                "peers": array(text(), "BGPPeers that are told; left out: all.", MOST_RANGES),
                "serviceSelectors": array(SELECTOR, "Services whose addresses are announced; left out: all."),
            }
        ),
        "status": {"type": "object"},
    }
)
_PEER_COLUMNS = (
    ("Address", ".spec.peerAddress", "string"),
    ("ASN", ".spec.peerASN", "string"),
    ("Multi Hops", ".spec.ebgpMultiHop", "string"),
)
_ADVERTISEMENT_COLUMNS = (
    ("IPAddressPools", ".spec.ipAddressPools", "string"),
    ("IPAddressPool Selectors", ".spec.ipAddressPoolSelectors", "string"),
    ("Peers", ".spec.peers", "string"),
)

BGP_DEFINITIONS = (of_metallb(BGPPEERS, _PEER, _PEER_COLUMNS), of_metallb(BGPADVERTISEMENTS, _ADVERTISEMENT, _ADVERTISEMENT_COLUMNS))
