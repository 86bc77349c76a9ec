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
from functools import lru_cache

from pilothouse.network.service.config import FamilyConfig

REFUSE = "refuse"
ENDPOINTS, NODE_PORT_ENDPOINTS = "endpoints", "node-port-endpoints"
PICKS, NODE_PORT_PICKS = "picks", "node-port-picks"
ALLOWED = "allowed"
NODE_ADDRESSES = "node-addresses"
MASQUERADE_MARK = "0x4000"
LOCAL_BASE = 1 << 15
"""From here on a frontend's numbers are those of the endpoints for traffic from outside that is to stay on this node. Both kinds have a
major number of 0, which no class of traffic control has."""
MOST_ENDPOINTS = LOCAL_BASE - 1
TRANSPORTS = "meta l4proto { tcp, udp, sctp }"

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
    return name.removeprefix("node-").startswith(("pick-", "stay-", "known-", "keep/"))


@lru_cache(maxsize=4096)
def _pick_rules(config: FamilyConfig, count: int, is_local: bool, is_node_port: bool) -> tuple[str, ...]:
    return (
        mark(config),
        f"meta priority set {random_number(count, is_local=is_local)}",
        to_endpoint(config, is_node_port=is_node_port),
    )


def random_number(count: int, *, is_local: bool) -> str:
    return f"numgen random mod {count}" + (f" offset {LOCAL_BASE}" if is_local else "")


def to_endpoint(config: FamilyConfig, *, is_node_port: bool) -> str:
    """The statement that leads to the endpoint whose number is the packet's priority; it goes on when there is none."""
    endpoints = NODE_PORT_ENDPOINTS if is_node_port else ENDPOINTS
    return f"{TRANSPORTS} dnat to {destination(config, is_node_port=is_node_port)} . meta priority map @{endpoints}"


def destination(config: FamilyConfig, *, is_node_port: bool = False) -> str:
    """A packet's frontend, as a key of maps."""
    return ("" if is_node_port else f"{config.family.name} daddr . ") + "meta l4proto . th dport"


def numbered(number: int) -> str:
    """As nftables writes numbers of 32 bits of this kind."""
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def mark(config: FamilyConfig) -> str:
    """This node's pods keep their address: the answer comes back to them through here, wherever it is from."""
    return f"{config.family.name} saddr != {config.local} meta mark set meta mark or {MASQUERADE_MARK}"


def by_origin(into: Chains, config: FamilyConfig, inside: str, outside: str) -> str:
    """The verdict that leads pods and this node to `inside`, and whoever comes from elsewhere to `outside`; both are verdicts.

    What this node says itself has come in by no interface (0), whichever of its addresses it says it from: a link's, or a load balancer's.
    """
    rules = (
        f"{config.family.name} saddr {config.cluster} {inside}",
        f"iif 0 {inside}",
        outside,
    )
    name = named("x", *rules)
    into[name] = rules
    return goto(name)


def only_from(into: Chains, config: FamilyConfig, then: str) -> str:
    """The verdict that drops what comes from outside the networks that the frontend allows."""
    rules = (f"{destination(config)} . {config.family.name} saddr != @{ALLOWED} drop", then)
    name = named("f", *rules)
    into[name] = rules
    return goto(name)


def named(kind: str, *content: str) -> str:
    """A chain's name: its kind and a digest of what is in it."""
    return f"{kind}-{digest(*content)}"


def digest(*content: str) -> str:
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
