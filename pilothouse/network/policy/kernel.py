"""What policies need of nftables. Everything here blocks."""

from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.network.policy.config import NetworkPolicyConfig

_PROBES = (
    (
        "add table ip {0}\nadd chain ip {0} f {{ type filter hook forward priority 0; }}",
        "nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4)",
    ),
    ("add rule ip {0} f ct state established ct direction reply accept", "connection tracking (CONFIG_NFT_CT)"),
    ("add map ip {0} m {{ type ipv4_addr : verdict; }}\nadd rule ip {0} f ip saddr vmap @m", "verdict maps (CONFIG_NFT_HASH)"),
    ("add rule ip {0} f counter drop", "counters (CONFIG_NFT_COUNTER)"),
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


def is_enforced(config: NetworkPolicyConfig) -> bool:
    """Whether the table holds rules for some pod, whoever has written them."""
    nft = open_nft()
    try:
        return any("elements" in nft.run(f"list map ip {config.table} {direction}\n") for direction in ("ingress", "egress"))
    except NftFailure:
        return False


def teardown(config: NetworkPolicyConfig) -> None:
    """Take the table away, if there is one."""
    open_nft().run(f"add table ip {config.table}\ndelete table ip {config.table}\n")
