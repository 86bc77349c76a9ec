"""What the service proxy needs of nftables. Everything here blocks: call it in one thread, always the same."""

import json
import subprocess

import structlog

from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.network.service.config import ServiceProxyConfig

log = structlog.get_logger("network.service")
MOST_REMEMBERED = 100_000
"""Clients over all sets that a new table takes over, those with the most time left; it is written in one transaction."""
_LIST_S = 20


def remembered_clients(config: ServiceProxyConfig) -> dict[str, dict[str, int]]:
    """What the sets of the present table hold: set -> client's address -> seconds that are left. Empty when it cannot be read."""
    try:
        listed = subprocess.run(["nft", "--json", "list", "table", "ip", config.table], capture_output=True, timeout=_LIST_S, check=False)
        found = json.loads(listed.stdout or b"{}").get("nftables") or () if listed.returncode == 0 else ()
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        log.warning("services forget which clients they knew", error=str(error))
        return {}
    sets = (each["set"] for each in found if "set" in each and each["set"].get("timeout"))
    clients = [
        (each["elem"]["expires"], set_["name"], each["elem"]["val"]) for set_ in sets for each in set_.get("elem") or () if "elem" in each
    ]
    clients.sort(reverse=True)
    known: dict[str, dict[str, int]] = {}
    for left_s, name, address in clients[:MOST_REMEMBERED]:
        known.setdefault(name, {})[address] = left_s
    return known


def teardown(config: ServiceProxyConfig) -> None:
    """Take the table away, if there is one."""
    open_nft().run(f"add table ip {config.table}\ndelete table ip {config.table}\n")


PROBES = (
    ("add table ip {0}", "nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4), or root's rights"),
    ("add chain ip {0} nat {{ type nat hook prerouting priority -100; }}", "address translation (CONFIG_NFT_NAT)"),
    (
        "add rule ip {0} nat meta l4proto tcp dnat to numgen random mod 2 map {{ 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }}",
        "numgen (CONFIG_NFT_NUMGEN)",
    ),
    ("add chain ip {0} out {{ type nat hook postrouting priority 100; }}\nadd rule ip {0} out masquerade", "masquerade (CONFIG_NFT_MASQ)"),
    ("add chain ip {0} refuse\nadd rule ip {0} refuse meta l4proto tcp reject with tcp reset", "reject (CONFIG_NFT_REJECT)"),
)


def missing(nft: Nft, table: str) -> str:
    """What the kernel lacks for a service proxy, in one sentence; "" when nothing."""
    commands = ""
    for probe, what in PROBES:
        commands += probe.format(table) + "\n"
        try:
            nft.check(commands)
        except NftFailure as failure:
            return f"services need {what}, which this kernel does not offer: {failure}"
    return ""
