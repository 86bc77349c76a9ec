"""BIRD's own parser takes what is written for it."""

import subprocess
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from pilothouse.network.backends.bgp.announced import Announced
from pilothouse.network.backends.bgp.announcements import Attributes
from pilothouse.network.backends.bgp.configuration import Configuration
from pilothouse.network.backends.bgp.routers import routers
from pilothouse.network.backends.bgp.sessions import topology
from pilothouse.network.backends.bgp.settings import BGPSettings
from tests.network.backends.bgp.objects import node, view
from tests.network.backends.bgp.test_routers_plan import peer

SETTINGS = BGPSettings.of({"bgp": {"acceptedNetworks": ["198.51.100.0/24", "2001:db8:9::/48"]}})


def configuration(folder: Path) -> Configuration:
    own = node(1)
    found = topology(view(own, node(2), node(3)), SETTINGS)
    outside = routers([peer(password="p", ebgpMultiHop=True), peer("six", peerAddress="2001:db8::100")], own, SETTINGS, {})
    announced = Announced()
    announced.put(
        "web", {ip_network("203.0.113.1/32"): frozenset([Attributes(("rack",), 7, ("bgp_community.add((1,2));",)), Attributes()])}
    )
    return Configuration(
        folder=str(folder),
        router_id="192.0.2.1",
        metric=40000,
        settings=SETTINGS,
        own=own.pod_cidrs,
        clusters=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")),
        services=(ip_network("10.96.0.0/16"),),
        hosts=found.addresses,
        nodes=found.sessions,
        routers=outside.sessions,
        announcements=announced.announcements,
        groups=announced.groups,
    )


def test_bird_takes_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "bird.conf"
    file.write_text(configuration(tmp_path).text())
    done = subprocess.run(["bird", "-p", "-c", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_same_sessions_give_the_same_text(tmp_path: Path) -> None:
    assert configuration(tmp_path).text() == configuration(tmp_path).text()


def test_routers_are_told_own_ranges_and_what_is_advertised_to_them_and_nothing_else(tmp_path: Path) -> None:
    text = configuration(tmp_path).text()
    rack = text.partition('description "rack"')[2]
    assert 'if proto = "own4" then accept;' in rack
    assert "bgp_community.add((1,2)); accept;" in rack.partition('description "six"')[0]
    assert "import where net ~ [ 198.51.100.0/24+ ] && !(net ~ [ 10.244.0.0/16+, 10.96.0.0/16+ ]);" in rack
    assert "RTS_BGP" not in rack


def test_routers_are_not_believed_about_the_ways_to_nodes_that_are_in_what_is_accepted(tmp_path: Path) -> None:
    settings = BGPSettings.of({"bgp": {"acceptedNetworks": ["192.0.2.2/31", "2001:db8::/32"]}})
    config = replace(configuration(tmp_path), settings=settings)
    file = tmp_path / "bird.conf"
    file.write_text(config.text())
    rack, _, six = config.text().partition('description "rack"')[2].partition('description "six"')
    assert "&& !(net ~ [ 192.0.2.2/32{1,32}, 192.0.2.3/32{1,32} ]);" in rack
    assert "&& !(net ~ [ 2001:db8::1/128{1,128}, 2001:db8::2/128{1,128}, 2001:db8::3/128{1,128} ]);" in six
    done = subprocess.run(["bird", "-p", "-c", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_port_of_sessions_between_nodes_is_none_of_routers(tmp_path: Path) -> None:
    before = configuration(tmp_path)
    after = replace(before, settings=replace(SETTINGS, listen_port=1790))
    texts = [each.text().partition("protocol bgp router") for each in (before, after)]
    assert texts[0][2] == texts[1][2]
    assert "local 192.0.2.1 port 1790 as 64512;" in texts[1][0]
