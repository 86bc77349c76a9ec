"""The chains that services lead to, by name. Pure.

A chain never changes: its name says all that is in it, so whoever needs the same one shares it, and a change of endpoints is a change of
elements in maps. What picks one of N endpoints is the same chain for all services that have N; which ones these are stands in a map,
under the packet's destination and a number below N.

Where a frontend leads to is a number, too, under which the chain stands in a map of verdicts: that map has an element a chain and not one
a frontend, because the kernel goes through all verdicts that there are whenever one changes.

Numbers go through `meta priority`: nft(8) takes a random number into a map's key in no other way that it can read again (1.0.6
refuses what it has written itself, "conflicting protocols specified"). Nothing else is decided by them: rules of translation see the first
packet of a connection alone, and forwarding sets its priority anew.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from pilothouse.network.service.config import FamilyConfig

REFUSE = "refuse"
ENDPOINTS, NODE_PORT_ENDPOINTS = "endpoints", "node-port-endpoints"
NODE_ADDRESSES = "node-addresses"
MASQUERADE_MARK = "0x4000"
LOCAL_BASE = 1 << 15
"""From here on a frontend's numbers are those of the endpoints for traffic from outside that is to stay on this node. Both kinds have a
major number of 0, which no class of traffic control has."""
MOST_ENDPOINTS = LOCAL_BASE - 1
TRANSPORTS = "meta l4proto { tcp, udp, sctp }"
_LONGEST_NAME = 100

Chains = dict[str, tuple[str, ...]]


def goto(name: str) -> str:
    return f"goto {name}"


def pick(into: Chains, config: FamilyConfig, count: int, *, is_local: bool = False, is_node_port: bool = False) -> str:
    """The verdict that leads to one of a frontend's `count` endpoints, all alike. is_local: those that are numbered from LOCAL_BASE."""
    if not count:
        return goto(REFUSE)
    name = f"{'node-' if is_node_port else ''}pick-{'local-' if is_local else ''}{count}"
    into[name] = _pick_rules(config, count, is_local, is_node_port)
    return goto(name)


def is_pick(name: str) -> bool:
    """Whether any service may come to need the chain."""
    return name.startswith(("pick-", "node-pick-"))


@lru_cache(maxsize=4096)
def _pick_rules(config: FamilyConfig, count: int, is_local: bool, is_node_port: bool) -> tuple[str, ...]:
    where = "" if is_node_port else f"{config.family.name} daddr . "
    number = f"numgen random mod {count}" + (f" offset {LOCAL_BASE}" if is_local else "")
    endpoints = NODE_PORT_ENDPOINTS if is_node_port else ENDPOINTS
    return (
        mark(config),
        f"meta priority set {number}",
        f"{TRANSPORTS} dnat to {where}meta l4proto . th dport . meta priority map @{endpoints}",
    )


def numbered(number: int) -> str:
    """As nftables writes numbers of 32 bits of this kind."""
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def mark(config: FamilyConfig) -> str:
    """This node's pods keep their address: the answer comes back to them through here, wherever it is from."""
    return f"{config.family.name} saddr != {config.local} meta mark set meta mark or {MASQUERADE_MARK}"


def by_origin(into: Chains, config: FamilyConfig, inside: str, outside: str) -> str:
    """The verdict that leads pods and this node to `inside`, and whoever comes from elsewhere to `outside`; both are verdicts."""
    rules = (
        f"{config.family.name} saddr {config.cluster} {inside}",
        f"{config.family.name} saddr @{NODE_ADDRESSES} {inside}",
        outside,
    )
    name = named("x", *rules)
    into[name] = rules
    return goto(name)


def only_from(into: Chains, config: FamilyConfig, networks: Sequence[str], then: str) -> str:
    """The verdict that drops what comes from outside the networks. networks: at least one, without overlaps."""
    rules = (f"{config.family.name} saddr != {{ {', '.join(networks)} }} drop", then)
    name = named("f", *rules)
    into[name] = rules
    return goto(name)


def named(kind: str, *content: str, title: str = "") -> str:
    """A chain's name: its kind, a digest of what is in it, and whose it is if it is one service's."""
    return "-".join(filter(None, (kind, digest(title, *content), title)))[:_LONGEST_NAME]


def digest(*content: str) -> str:
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
