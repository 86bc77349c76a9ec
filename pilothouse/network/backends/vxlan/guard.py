"""What keeps pods out of the tunnels: a datagram of theirs to another node's VTEP would come out there as a packet of any pod.

Source: Calico, allowVXLANPacketsFromWorkloads (false by default).
"""

from collections.abc import Iterable

from pilothouse.linux.nft import NftFailure, open_nft
from pilothouse.model.pod_links import group_of
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.seam import BackendFailure


def table(config: BackendConfig) -> str:
    return f"pilothouse-{config.instance}-vxlan"


def rules(config: BackendConfig, ports: Iterable[int]) -> str:
    """Commands that replace the table. ports: UDP, at which tunnels end."""
    name, shown = table(config), ", ".join(map(str, sorted(set(ports))))
    return (
        f"add table inet {name}\ndelete table inet {name}\nadd table inet {name}\n"
        f"add chain inet {name} guard {{ type filter hook prerouting priority -310; policy accept; }}\n"
        f"add rule inet {name} guard meta iifgroup {group_of(config.instance)} udp dport {{ {shown} }} drop\n"
    )


def ensure(config: BackendConfig, ports: Iterable[int]) -> None:
    """Blocks. Raises BackendFailure."""
    _run(rules(config, ports))


def remove(config: BackendConfig) -> None:
    """Blocks. One that is not there is no error. Raises BackendFailure."""
    _run(f"add table inet {table(config)}\ndelete table inet {table(config)}\n")


def _run(commands: str) -> None:
    try:
        open_nft().run(commands)
    except (NftFailure, OSError) as error:
        raise BackendFailure(f"nftables refuses the rule that keeps pods out of tunnels: {error}") from error
