"""What the kernel does with packets to an announced address for which there is no Service port: it answers as a host would that has none.

Without this, whatever listens on all addresses of the machine, sshd say, would be open at the Services' addresses as well. Packets that the
service proxy leads elsewhere never come here.
"""

import ipaddress
from collections.abc import Collection

from pilothouse.linux.interfaces import Address
from pilothouse.linux.nft import NftFailure, open_nft

_BATCH = 500


def table(name: str, held: Collection[Address]) -> str:
    """Commands that replace the table; without addresses there is none."""
    lines = [f"add table inet {name}", f"delete table inet {name}"]
    if not held:
        return "\n".join(lines) + "\n"
    lines += [f"add table inet {name}"]
    lines += [f"add chain inet {name} input {{ type filter hook input priority -10; policy accept; }}"]
    for version, family, icmp, let in (
        (4, "ip", "icmp type", "echo-request"),
        (6, "ip6", "icmpv6 type", "{ echo-request, nd-neighbor-solicit, nd-neighbor-advert }"),
    ):
        addresses = sorted(str(each) for each in held if each.version == version)
        if not addresses:
            continue
        lines += [f"add set inet {name} held{version} {{ type ipv{version}_addr; }}"]
        lines += [
            f"add element inet {name} held{version} {{ {', '.join(addresses[start : start + _BATCH])} }}"
            for start in range(0, len(addresses), _BATCH)
        ]
        rule = f"add rule inet {name} input {family} daddr @held{version}"
        lines += [
            # This machine may ask a Service at the address, and does so from the address itself, which is its own.
            f"{rule} ct direction reply accept",
            f"{rule} {icmp} {let} accept",
            f"{rule} meta l4proto tcp reject with tcp reset",
            f"{rule} reject",
        ]
    return "\n".join(lines) + "\n"


def held(name: str) -> set[Address]:
    """The addresses that the table names. Blocks."""
    found: set[Address] = set()
    for version in (4, 6):
        try:
            text = open_nft().run(f"list set inet {name} held{version}")
        except NftFailure:
            continue
        _, _, elements = text.partition("elements = {")
        found |= {address for each in elements.partition("}")[0].split(",") if (address := _address(each.strip())) is not None}
    return found


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def teardown(name: str) -> None:
    """Blocks."""
    try:
        open_nft().run(table(name, ()))
    except NftFailure:
        return
