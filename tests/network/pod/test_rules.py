"""The pods' tables as text; PH_UPDATE_GOLDEN=1 writes the golden files anew."""

import os
from pathlib import Path

import pytest

from pilothouse.network.pod import rules
from pilothouse.network.pod.cni import PortMapping
from pilothouse.network.pod.config import PodNetworkConfig
from pilothouse.network.pod.family import IPV4, IPV6
from pilothouse.network.pod.rules import Matches

GOLDEN = Path(__file__).parents[2] / "golden" / "pods"
PORTS = (PortMapping("tcp", 8080, 80), PortMapping("udp", 5353, 53, "127.0.0.1"))
PORTS6 = (PortMapping("tcp", 8080, 80), PortMapping("udp", 5353, 53, "fd00:9::1"))


def config(*pods: str) -> PodNetworkConfig:
    where = {name: Path("/nowhere") for name in ("socket", "conf_dir", "bin_dir")}
    return PodNetworkConfig(instance="t", device="ph0", pod_cidrs=pods, cluster_cidrs=("10.244.0.0/16", "fd00:10:244::/56"), **where)


BOTH = config("10.244.0.0/24", "fd00:10:244::/64", "10.250.0.0/24")
CASES = {
    "table": rules.table(BOTH, IPV4, Matches()),
    "table6": rules.table(BOTH, IPV6, Matches()),
    "table6-without-addresses": rules.table(config("10.244.0.0/24"), IPV6, Matches()),
    "table-without-fib": rules.table(BOTH, IPV4, Matches.by_address(IPV4, ["127.0.0.1"], ["10.244.0.0/24"])),
    "open-ports": rules.open_ports(BOTH.table, "10.244.0.5", PORTS),
    "close-ports": rules.close_ports(BOTH.table, "10.244.0.5", PORTS),
    "open-ports6": rules.open_ports(BOTH.table, "fd00:10:244::5", PORTS6),
    "close-ports6": rules.close_ports(BOTH.table, "fd00:10:244::5", PORTS6),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rules_are_those_of_the_golden_file(case: str) -> None:
    path = GOLDEN / f"{case}.nft"
    if os.environ.get("PH_UPDATE_GOLDEN"):
        path.write_text(CASES[case])
    assert CASES[case] == path.read_text()


def test_ports_lead_to_addresses_of_their_own_family() -> None:
    assert rules.ports_to("10.244.0.5", (*PORTS, *PORTS6[1:])) == PORTS
    assert rules.ports_to("fd00:10:244::5", (*PORTS, *PORTS6[1:])) == PORTS6
