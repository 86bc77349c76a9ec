"""Makes room for pods in a firewall that someone else keeps with iptables (Docker's, ufw's), which would drop their packets.

What nftables accepts in one table another one may still drop, so the only way past such a firewall is a rule in it. Rules are put
in only where packets are dropped, carry the instance's name as a comment, and are taken out again by `withdraw`.
"""

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import structlog

from pilothouse.model.json import Object

log = structlog.get_logger("network.pod")

LEGACY_TABLES = Path("/proc/net/ip_tables_names")
_TIMEOUT_S = 20


def admit(bridge: str, comment: str, tables: str) -> None:
    """tables: what `nft list tables ip` says. Pods may send and receive, and reach this host."""
    for program in _programs(tables):
        rules = _list(program)
        for chain, match in (("FORWARD", f"-i {bridge}"), ("FORWARD", f"-o {bridge}"), ("INPUT", f"-i {bridge}")):
            if is_closed(chain, rules) and not any(rule.startswith(f"-A {chain} {match} ") and comment in rule for rule in rules):
                _run(program, "-I", chain, "1", *match.split(), "-m", "comment", "--comment", comment, "-j", "ACCEPT")
                log.info("firewall opened for pods", program=program, chain=chain, match=match)


def withdraw(comment: str, tables: str) -> None:
    for program in _programs(tables):
        for rule in _list(program):
            words = shlex.split(rule)
            if words[0] == "-A" and comment in words:
                _run(program, "-D", *words[1:])


def is_closed(chain: str, rules: list[str]) -> bool:
    """rules: as `iptables -S` prints them. Packets that no rule takes are dropped, by the policy or by a last rule."""
    own = [rule for rule in rules if rule.split()[1:2] == [chain]]
    return any(rule == f"-P {chain} DROP" or rule.startswith((f"-A {chain} -j DROP", f"-A {chain} -j REJECT")) for rule in own)


def foreign_drops(chains: Object) -> list[str]:
    """chains: what `nft --json list chains` says. Tables other than iptables' own that drop what is forwarded."""
    found = (entry["chain"] for entry in chains["nftables"] if "chain" in entry)
    dropping = (chain for chain in found if chain.get("hook") == "forward" and chain.get("policy") == "drop")
    return [f"{chain['family']} {chain['table']}" for chain in dropping if (chain["family"], chain["table"]) != ("ip", "filter")]


def _programs(tables: str) -> Iterator[str]:
    """The iptables programs whose filter table is in use; asking the others would create theirs."""
    if "table ip filter" in tables.splitlines():
        yield from _installed("iptables-nft", "iptables")
    if LEGACY_TABLES.exists() and "filter" in LEGACY_TABLES.read_text().split():
        yield from _installed("iptables-legacy", "iptables")


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
