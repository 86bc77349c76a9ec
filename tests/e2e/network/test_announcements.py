"""Who answers on a link for the addresses of load balancers: real announcers, ARP and Neighbour Discovery, no containers."""

from collections.abc import Iterator

import pytest

from tests.e2e.network.lan import Lan, Make, balanced, eventually, lan, mac_of, of_pool, refused

pytestmark = pytest.mark.containers
FOUR, SIX = "192.0.2.100", "fd00:2::100"


@pytest.fixture
def link(host: None) -> Iterator[Lan]:
    with lan() as made:
        made.put(of_pool("IPAddressPool", "lan", addresses=["192.0.2.100-192.0.2.120", "fd00:2::100-fd00:2::120"]))
        made.put(of_pool("L2Advertisement", "all"))
        yield made


def test_a_single_node_answers_for_both_families_and_refuses_what_no_service_has(link: Lan, namespace: Make) -> None:
    one, client = link.node(1, namespace), link.host(9, namespace).namespace
    link.put(balanced("web", FOUR, SIX))
    eventually(lambda: one.has(FOUR) and one.has(SIX))
    for address in (FOUR, SIX):
        eventually(lambda address=address: refused(client, address))  # type: ignore[misc]
        assert mac_of(client, address) == one.mac
    link.delete("Service", "web")
    eventually(lambda: not one.has(FOUR) and not one.has(SIX))
