"""The pods' table as text; PH_UPDATE_GOLDEN=1 writes the golden files anew."""

import os
from pathlib import Path

import pytest

from pilothouse.network.pod import rules
from pilothouse.network.pod.addresses import Lease
from pilothouse.network.pod.cni import PortMapping

GOLDEN = Path(__file__).parents[2] / "golden" / "pods"
PORTS = (PortMapping("tcp", 8080, 80), PortMapping("udp", 5353, 53, "127.0.0.1"))
LEASES = (Lease("10.244.0.5", "ph0123456789ab", "one", "eth0"), Lease("10.244.0.6", "phba9876543210", "two", "eth0"))
CASES = {
    "table": rules.table("pilothouse-t-pod", "ph0", "10.244.0.0/24", "10.244.0.0/16", rules.LOCAL),
    "table-without-fib": rules.table("pilothouse-t-pod", "ph0", "10.244.0.0/24", "10.244.0.0/16", rules.local_by_address(["127.0.0.1"])),
    "frames": rules.frames("pilothouse-t-pod", "10.244.0.1", LEASES),
    "admit": rules.admit("pilothouse-t-pod", LEASES[1]),
    "dismiss": rules.dismiss("pilothouse-t-pod", LEASES[1]),
    "open-ports": rules.open_ports("pilothouse-t-pod", "10.244.0.5", PORTS),
    "close-ports": rules.close_ports("pilothouse-t-pod", "10.244.0.5", PORTS),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rules_are_those_of_the_golden_file(case: str) -> None:
    path = GOLDEN / f"{case}.nft"
    if os.environ.get("PH_UPDATE_GOLDEN"):
        path.write_text(CASES[case])
    assert CASES[case] == path.read_text()
