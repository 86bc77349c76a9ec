"""Makes room for pods in a firewall that someone else keeps with iptables (Docker's, ufw's), which would drop their packets.

What nftables accepts in one table another one may still drop, so the only way past such a firewall is a rule in it. Rules are put
in only where packets are dropped, carry the instance's name as a comment, and are taken out again by `withdraw`.
"""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from pilothouse.model.json import Object
from pilothouse.model.pod_links import LINK_PREFIX
from pilothouse.network.pod.family import FAMILIES, IPV4, Family

log = structlog.get_logger("network.pod")

LEGACY_TABLES = Path("/proc/net")
_TIMEOUT_S = 20


Opening = tuple[str, str]
"""A chain, and the packets that it takes, as `iptables -S` prints them."""


def admit(interface: str, comment: str, tables: str) -> None:
    """tables: what `nft list tables` says. Those behind the interface may send and receive by IPv4, and reach this host."""
    _open(IPV4, [("FORWARD", f"-i {interface}"), ("FORWARD", f"-o {interface}"), ("INPUT", f"-i {interface}")], comment, tables)


def admit_pods(networks: Sequence[str], comment: str, tables: str) -> None:
    """As `admit` for pods of the networks, whose links have our prefix in common and nothing else that iptables could tell them by.

    What else carries the comment is an earlier version's, and goes.
    """
    for family in FAMILIES:
        openings = [opening for network in family.of(networks) for opening in _pods(network)]
        _open(family, openings, comment, tables)
        for program in _programs(family, tables):
            for words in _commented(program, comment):
                if not any(words[1] == chain and " ".join(words[2:]).startswith(match) for chain, match in openings):
                    _run(program, "-D", *words[1:])


def _pods(network: str) -> list[Opening]:
    sent, received = f"-s {network} -i {LINK_PREFIX}+", f"-d {network} -o {LINK_PREFIX}+"
    return [("FORWARD", sent), ("FORWARD", received), ("INPUT", sent)]


def _open(family: Family, openings: Sequence[Opening], comment: str, tables: str) -> None:
    for program in _programs(family, tables):
        rules = _list(program)
        for chain, match in openings:
            if is_closed(chain, rules) and not any(rule.startswith(f"-A {chain} {match} ") and comment in rule for rule in rules):
                _run(program, "-I", chain, "1", *match.split(), "-m", "comment", "--comment", comment, "-j", "ACCEPT")
                log.info("firewall opened for pods", program=program, chain=chain, match=match)


def withdraw(comment: str, tables: str) -> None:
    for family in FAMILIES:
        for program in _programs(family, tables):
            for words in _commented(program, comment):
                _run(program, "-D", *words[1:])


def _commented(program: str, comment: str) -> list[list[str]]:
    """Words of the rules that carry the comment, as `iptables -S` prints them."""
    found = [shlex.split(rule) for rule in _list(program)]
    return [words for words in found if words[0] == "-A" and comment in words]


def is_closed(chain: str, rules: list[str]) -> bool:
    """rules: as `iptables -S` prints them. Packets that no rule takes are dropped, by the policy or by a last rule."""
    own = [rule for rule in rules if rule.split()[1:2] == [chain]]
    return any(rule == f"-P {chain} DROP" or rule.startswith((f"-A {chain} -j DROP", f"-A {chain} -j REJECT")) for rule in own)


def foreign_drops(chains: Object) -> list[str]:
    """chains: what `nft --json list chains` says. Tables other than iptables' own that drop what is forwarded."""
    found = (entry["chain"] for entry in chains["nftables"] if "chain" in entry)
    dropping = (chain for chain in found if chain.get("hook") == "forward" and chain.get("policy") == "drop")
    return [f"{chain['family']} {chain['table']}" for chain in dropping if (chain["family"], chain["table"]) not in _IPTABLES]


_IPTABLES = (("ip", "filter"), ("ip6", "filter"))


def _programs(family: Family, tables: str) -> Iterator[str]:
    """The iptables programs whose filter table is in use; asking the others would create theirs."""
    name = "iptables" if family is IPV4 else "ip6tables"
    if f"table {family.nft} filter" in tables.splitlines():
        yield from _installed(f"{name}-nft", name)
    legacy = LEGACY_TABLES / ("ip_tables_names" if family is IPV4 else "ip6_tables_names")
    if legacy.exists() and "filter" in legacy.read_text().split():
        yield from _installed(f"{name}-legacy", name)


def _installed(*names: str) -> Iterator[str]:
    yield from [name for name in names if shutil.which(name)][:1]


def _list(program: str) -> list[str]:
    return _run(program, "-S").splitlines()


def _run(program: str, *arguments: str) -> str:
    """iptables waits for its lock for a few seconds. A refusal is logged: pods may work all the same."""
    try:
        done = subprocess.run([program, "-w", "5", *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        log.warning("firewall not changed", program=program, arguments=shlex.join(arguments), error="no answer")
        return ""
    if done.returncode:
        log.warning("firewall not changed", program=program, arguments=shlex.join(arguments), error=done.stderr.strip())
    return done.stdout
