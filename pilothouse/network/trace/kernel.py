"""The rule that has the kernel tell of one packet, and the socket that it tells it to. Everything here blocks: call it in a thread.

Chains without rules stand before and after all others of each hook, so that a packet is told of where it comes by although
nobody has a rule there.
"""

import contextlib
import re
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence

from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.messages import Step
from pilothouse.network.trace.wanted import LONGEST_S, Wanted

FIRST, LAST = -450, 450
"""Priorities: before connections are looked up (-200) and raw tables (-300), after sources are translated (100)."""
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
_MARKING = ("prerouting", "output")
FIRST_CHAIN = "-first"
"""How the names of the chains end in which a packet is told of before all others."""
_NETFILTER, _NETLINK_LEVEL, _ADD_MEMBERSHIP, _TRACE_GROUP = 12, 270, 1, 9
_RECEIVE_BYTES = 1 << 20
_HANDLE = re.compile(r"^\s*(.*?) # handle (\d+)$", re.MULTILINE)
LONGEST_RULE = 400


def commands(config: TraceConfig, wanted: Wanted) -> str:
    """Of the transaction that begins the trace. The packet is forgotten after a time, whatever becomes of who asked."""
    table = f"inet {config.table}"
    flags = "tcp flags & (syn | ack) == syn " if wanted.protocol == "tcp" else ""
    lines = [f"add table {table}", f"delete table {table}", f"add table {table}"]
    lines.append(f"add set {table} flows {{ type inet_proto . inet_service; flags timeout; }}")
    for hook in HOOKS:
        ending, priority = (FIRST_CHAIN, FIRST) if hook in _MARKING else ("-last", LAST)
        lines.append(f"add chain {table} {hook}{ending} {{ type filter hook {hook} priority {priority}; }}")
    for hook in _MARKING:
        for field, addresses in _by_family(wanted.sources):
            match = f"{field} saddr {{ {', '.join(addresses)} }} {flags}meta l4proto . th sport @flows"
            lines.append(f"add rule {table} {hook}{FIRST_CHAIN} {match} meta nftrace set 1")
    lines.append(f"add element {table} flows {{ {wanted.protocol} . {wanted.source_port} timeout {int(LONGEST_S) + 5}s }}")
    return "\n".join(lines) + "\n"


def _by_family(addresses: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for field, is_long in (("ip", False), ("ip6", True)):
        if own := [each for each in addresses if (":" in each) == is_long]:
            yield field, own


@contextlib.contextmanager
def tracing(config: TraceConfig, wanted: Wanted) -> Iterator[socket.socket]:
    """The socket that the kernel tells to, from before the packet is looked for. Raises NftFailure, OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as told:
        told.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        told.bind((0, 0))
        told.setsockopt(_NETLINK_LEVEL, _ADD_MEMBERSHIP, struct.pack("=I", _TRACE_GROUP))
        nft = open_nft()
        try:
            nft.run(commands(config, wanted))
            yield told
        finally:
            remove(nft, config)


def remove(nft: Nft, config: TraceConfig) -> None:
    nft.run(f"add table inet {config.table}\ndelete table inet {config.table}\n")


def teardown(config: TraceConfig) -> None:
    """Take the table away, if there is one."""
    remove(open_nft(), config)


def forget(config: TraceConfig) -> None:
    """Take away what a process that was killed has left of a trace. A machine without nftables has nothing to take away."""
    with contextlib.suppress(NftFailure, OSError):
        teardown(config)


def rule_texts(found: Sequence[Step], most: int = 40) -> dict[tuple[str, str, str, int], str]:
    """By family, table, chain and handle. A chain that is gone by now, or more chains than are worth reading, have none."""
    chains = dict.fromkeys((step.family, step.table, step.chain) for step in found if step.kind == "rule")
    texts: dict[tuple[str, str, str, int], str] = {}
    for family, table, chain in list(chains)[:most]:
        for text, handle in _HANDLE.findall(_listed(family, table, chain)):
            texts[family, table, chain, int(handle)] = text[:LONGEST_RULE]
    return texts


def _listed(family: str, table: str, chain: str) -> str:
    """With handles, which the library shows to nobody who has not asked for them: nft(8) is asked."""
    try:
        done = subprocess.run(["nft", "-a", "list", "chain", family, table, chain], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftFailure(f"chain {chain} cannot be read: {error}") from error
    return done.stdout if done.returncode == 0 else ""
