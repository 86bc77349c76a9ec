"""What policies need of nftables. Everything here blocks."""

from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.network.policy.book import nothing
from pilothouse.network.policy.config import NetworkPolicyConfig
from pilothouse.network.policy.frame import MAPS

_PROBES = (
    (
        "add table inet {0}\nadd chain inet {0} f {{ type filter hook forward priority 0; }}",
        "nftables for both IP families (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)",
    ),
    (
        "add rule inet {0} f ct state established ct direction reply ct mark & 1 == 1 accept\nadd rule inet {0} f ct mark set ct mark | 1",
        "connection tracking with marks (CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_MARK)",
    ),
    ("add map inet {0} m {{ type ipv4_addr : verdict; }}\nadd rule inet {0} f ip saddr vmap @m", "verdict maps (CONFIG_NF_TABLES)"),
    ("add counter inet {0} c\nadd rule inet {0} f counter name c drop", "named counters (CONFIG_NF_TABLES)"),
    (
        "add set inet {0} n {{ type mark . ipv4_addr; size 10; flags dynamic,timeout; timeout 60s; counter; }}\n"
        "add rule inet {0} f update @n {{ 0x1 . ip saddr }}",
        "sets that rules fill (CONFIG_NF_TABLES)",
    ),
)
_RESET = (
    "add table inet {0}\nadd chain inet {0} f {{ type filter hook forward priority 0; }}\n"
    "add rule inet {0} f meta l4proto tcp reject with tcp reset"
)


def missing(nft: Nft, config: NetworkPolicyConfig) -> str:
    """What the kernel lacks for policies, in one sentence; "" when nothing."""
    commands = ""
    for probe, what in _PROBES:
        commands += probe.format(f"{config.table}-probe") + "\n"
        try:
            nft.check(commands)
        except NftFailure as failure:
            return f"network policies need {what}, which this kernel does not offer: {failure}"
    return ""


def can_reset(nft: Nft, config: NetworkPolicyConfig) -> bool:
    """Whether a connection can be ended by a reset (CONFIG_NFT_REJECT_INET); without, it is dropped silently."""
    try:
        nft.check(_RESET.format(f"{config.table}-probe") + "\n")
    except NftFailure:
        return False
    return True


def is_enforced(config: NetworkPolicyConfig) -> bool:
    """Whether the table holds rules for some pod, whoever has written them."""
    nft = open_nft()
    maps = [f"inet {config.table} {direction}{family.suffix}" for direction in MAPS for family in config.families]
    # As a version before this one has left it.
    return any(_has_elements(nft, each) for each in (*maps, *(f"ip {config.table} {direction}" for direction in MAPS)))


def _has_elements(nft: Nft, name: str) -> bool:
    try:
        return "elements" in nft.run(f"list map {name}\n")
    except NftFailure:
        return False


def teardown(config: NetworkPolicyConfig) -> None:
    """Take the table away, if there is one."""
    open_nft().run("\n".join(nothing(config)) + "\n")
