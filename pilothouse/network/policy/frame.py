"""What the table always holds: base chains, the maps that find a pod's chain, and the sets of what was refused. Pure text.

A connection is judged by the packets of whoever has opened it; answers pass. When a policy forbids a connection that is open, the first
packet that it refuses marks the connection, which shuts out its answers, too, and ends a TCP connection by a reset to both sides. A marked
connection that is allowed again is unmarked by its next packet.
"""

from collections.abc import Iterator, Sequence

from pilothouse.network.policy.config import Family, NetworkPolicyConfig
from pilothouse.network.policy.units import NOTED, NOTED_OTHER, PORTED, REFUSE, REFUSED, REHEARSED

SELF, LEAVING, ENTERING, INPUT, PASSED = "self", "leaving", "entering", "input", "passed"
MAPS = ("ingress", "egress")
ENDED = 0x00800000
"""Bit of a connection's mark: a policy has ended it."""
MOST_NOTED = 8192
"""Different refusals that are remembered at a time."""
NOTED_S = 60
_NEIGHBOURS = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report"


def frame(config: NetworkPolicyConfig, *, can_reset: bool = True) -> Iterator[str]:
    """Commands for an empty table. can_reset: whether the kernel can answer with a reset."""
    t = f"inet {config.table}"
    yield f"add table {t}"
    yield f"add set {t} {PORTED} {{ type inet_proto; }}"
    yield f"add element {t} {PORTED} {{ tcp, udp, sctp }}"
    yield from (f"add counter {t} {name}" for name in (REFUSED, REHEARSED))
    for family in config.families:
        yield from (f"add {what}" for what in _of_family(t, family))
    for name, hook in (
        (LEAVING, "forward priority 0"),
        (ENTERING, "forward priority 1"),
        (INPUT, "input priority 0"),
        (PASSED, "forward priority 2"),
        (f"{PASSED}-input", "input priority 1"),
    ):
        yield f"add chain {t} {name} {{ type filter hook {hook}; policy accept; }}"
    yield f"add chain {t} {REFUSE}"
    for chain, rules in _rules(config, can_reset=can_reset):
        yield from (f"add rule {t} {chain} {rule}" for rule in rules)


def _of_family(t: str, family: Family) -> Iterator[str]:
    address = family.type
    yield f"set {t} {SELF}{family.suffix} {{ type {address} . {address}; }}"
    yield from (f"map {t} {direction}{family.suffix} {{ type {address} : verdict; }}" for direction in MAPS)
    noted = f"size {MOST_NOTED}; flags dynamic,timeout; timeout {NOTED_S}s; counter;"
    yield f"set {t} {NOTED}{family.suffix} {{ type mark . {address} . {address} . inet_proto . inet_service; {noted} }}"
    yield f"set {t} {NOTED_OTHER}{family.suffix} {{ type mark . {address} . {address} . inet_proto; {noted} }}"


def _rules(config: NetworkPolicyConfig, *, can_reset: bool) -> Iterator[tuple[str, Sequence[str]]]:
    ended = f"ct mark & {ENDED:#010x} == {ENDED:#010x}"
    reset = ("meta l4proto tcp {} reject with tcp reset",) if can_reset else ()
    before = (
        # What neighbours of a link ask each other is no connection; 255 says that it has passed no router (RFC 4861, 11.2).
        *((f"icmpv6 type {{ {_NEIGHBOURS} }} ip6 hoplimit {{ 1, 255 }} accept",) if any(f.version == 6 for f in config.families) else ()),
        *(line.format(f"ct direction reply {ended}") for line in reset),
        f"ct direction reply {ended} drop",
        # An answer passes; what goes on in a connection's own direction is judged again, so that policies end connections.
        "ct state established ct direction reply accept",
        "ct state related accept",
        *(f"{family.field} saddr . {family.field} daddr @{SELF}{family.suffix} accept" for family in config.families),
    )
    by_source = tuple(f"{family.field} saddr vmap @egress{family.suffix}" for family in config.families)
    by_target = tuple(f"{family.field} daddr vmap @ingress{family.suffix}" for family in config.families)
    # A packet that one of these accepts still meets those that come after it.
    yield LEAVING, (*before, *by_source)
    yield ENTERING, (*before, *by_target)
    # To this host, its DNS server above all. What the host itself sends to a pod passes, as upstream's rule is.
    yield INPUT, (*before, *by_source)
    unmark = (f"ct direction original {ended} ct mark set ct mark & {0xFFFFFFFF ^ ENDED:#010x}",)
    yield PASSED, unmark
    yield f"{PASSED}-input", unmark
    refuse = (f"ct state established ct mark set ct mark | {ENDED:#010x}", f"counter name {REFUSED}")
    yield REFUSE, (*refuse, *(line.format("ct state established") for line in reset), "drop")
