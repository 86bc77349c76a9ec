"""An instance finds networks that nothing on the machine uses, and says who has one that was asked for."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster import choice, networks
from pilothouse.cli.cluster.neighbours import home_of
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.cli.settings.networks import are_shared, first_ranges
from pilothouse.model.networks import families
from pilothouse.model.networks import of as networks_of

# Interface, destination and mask as the kernel prints them: the default route, and 10.245.0.0/16 on ph-x.
ROUTES = [
    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "ph-x\t0000F50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
]
ROUTED = networks.of_ipv4_routes(ROUTES)
OTHER = (Home(Path("/srv/other")), Settings())


def test_networks_of_other_instances_and_of_routes_are_left_alone() -> None:
    uses = networks.in_use([OTHER], ROUTED)
    assert networks.choose("--pod-cidr", networks.POD_NETWORKS["IPv4"], uses) == "10.246.0.0/16"
    assert networks.choose("--service-cidr", networks.SERVICE_NETWORKS["IPv4"], uses) == "10.97.0.0/16"
    assert networks.choose("--pod-cidr", networks.POD_NETWORKS["IPv4"], networks.in_use([], [])) == "10.244.0.0/16"


@pytest.mark.parametrize(
    ("cidr", "holder"),
    [("10.244.7.0/24", "10.244.0.0/16, which the instance at /srv/other"), ("10.0.0.0/8", "10.244"), ("10.245.0.0/16", "interface ph-x")],
)
def test_a_network_that_was_asked_for_and_is_used_is_refused_with_its_holder(cidr: str, holder: str) -> None:
    with pytest.raises(SettingsError, match=rf"--pod-cidr {cidr} overlaps .*{holder}"):
        networks.refuse_used("--pod-cidr", networks_of(cidr), networks.in_use([OTHER], ROUTED))


def test_when_all_are_used_the_way_out_is_named() -> None:
    with pytest.raises(SettingsError, match="choose one with --pod-cidr"):
        networks.choose("--pod-cidr", ["10.245.0.0/16"], networks.in_use([], ROUTED))


@pytest.mark.parametrize(
    ("command", "home"),
    [
        (["python", "-m", "pilothouse.cli.daemon.node", "/srv/a"], Path("/srv/a")),
        (["containerd", "--config", "/srv/b/node/containerd/config.toml"], Path("/srv/b")),
        (["containerd", "--config", "/etc/containerd/config.toml"], None),
        (["python", "-m", "pilothouse.cli.daemon.node"], None),
        ([], None),
    ],
)
def test_an_instance_is_known_by_its_processes(command: list[str], home: Path | None) -> None:
    assert home_of(command) == home


@pytest.mark.parametrize(
    ("pods", "first"),
    [
        ("fd00:10:244::/56", "fd00:10:244::/64"),
        ("fd00:10:244::/64", "fd00:10:244::/64"),
        ("10.244.0.0/16", "10.244.0.0/22"),
        ("10.0.0.0/8", "10.0.0.0/22"),
        ("10.1.16.0/20", "10.1.16.0/22"),
        ("10.1.0.0/21", "10.1.0.0/21"),
    ],
)
def test_the_first_node_has_the_first_part_of_a_network_that_is_large_enough_for_several(pods: str, first: str) -> None:
    assert first_ranges(networks_of(pods)) == networks_of(first)
    assert are_shared(networks_of(pods), networks_of(first)) == (pods != first)


def test_an_instance_of_an_earlier_version_stays_with_one_node(tmp_path: Path) -> None:
    """Its node has all addresses, which cannot change."""
    (tmp_path / "settings.json").write_text('{"pod_cidr": "10.244.0.0/16", "node_name": "n"}')
    settings = Settings.load(Home(tmp_path))
    assert settings is not None
    assert settings.node_cidrs == ("10.244.0.0/16",)
    assert settings.address == "10.244.0.1"
    with pytest.raises(SettingsError, match=r"all of the pod network 10\.244\.0\.0/16 is the first node's"):
        choice.with_nodes_network(Home(tmp_path), settings)


def test_a_network_between_nodes_is_chosen_once() -> None:
    settings = Settings(pod_cidr="10.244.0.0/16", node_cidr="10.244.0.0/22")
    chosen = choice.with_nodes_network(Home(Path("/nowhere")), settings)
    assert chosen.nodes_gateways[0].endswith(".1")
    assert choice.with_nodes_network(Home(Path("/nowhere")), chosen) == chosen


def test_a_joined_home_is_started_without_options() -> None:
    joined = Settings(server="https://192.0.2.1:6443", node_name="n")
    assert choice.next_settings(Home(Path("/nowhere")), joined, {"api_port": None, "node_name": None}) == joined
    with pytest.raises(SettingsError, match="`ph up` starts it, without --port"):
        choice.next_settings(Home(Path("/nowhere")), joined, {"api_port": 7000})


def test_an_address_of_the_api_for_other_machines_is_one() -> None:
    for wrong in ("0.0.0.0", "127.0.0.1", "::", "nonsense", "10.0.0.1,10.0.0.2", "fe80::1"):
        with pytest.raises(SettingsError, match=r"--api-listen .*: give the address by which other machines reach this one"):
            Settings(api_listen=wrong)


# Destination and length, source, next hop, ... and the link, as the kernel prints them: a network, and what every link has.
IPV6_ROUTES = [
    f"fd000010024400000000000000000000 38 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     ph-x",
    f"fe800000000000000000000000000000 40 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     eth0",
    f"ff000000000000000000000000000000 08 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     eth0",
    f"{'0' * 32} 00 {'0' * 32} 00 fd00{'0' * 27}1 00000400 00000001 00000000 00000003     eth0",
]


def test_routes_of_ipv6_are_left_alone_too() -> None:
    uses = networks.of_ipv6_routes(IPV6_ROUTES)
    assert [(str(use.network), use.holder) for use in uses] == [("fd00:10:244::/56", "interface ph-x")]
    assert networks.choose("--pod-cidr", networks.POD_NETWORKS["IPv6"], uses) == "fd00:10:245::/56"


@pytest.mark.parametrize(
    ("asked", "pods", "services"),
    [
        ({"pod_cidr": None, "service_cidr": None}, "IPv4", "IPv4"),
        ({"pod_cidr": "10.8.0.0/16,fd00:8::/56", "service_cidr": None}, "IPv4 IPv6", "IPv4 IPv6"),
        ({"service_cidr": "fd00:9::/112,10.9.0.0/16"}, "IPv6 IPv4", "IPv6 IPv4"),
        ({"pod_cidr": "fd00:8::/56"}, "IPv6", "IPv6"),
    ],
)
def test_networks_that_are_not_asked_for_are_of_the_families_of_those_that_are(
    asked: dict[str, str | None], pods: str, services: str
) -> None:
    settings = choice.first_settings(Home(Path("/nowhere")), asked)
    assert " ".join(settings.families) == pods
    assert " ".join(families(settings.service_networks)) == services
    assert len(networks_of(settings.node_cidr)) == len(settings.families)


def test_a_machine_without_ipv6_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "IPV6_DISABLED", tmp_path / "disabled")
    with pytest.raises(SettingsError, match=r"this machine has no IPv6, .*: its kernel is without IPv6"):
        networks.require_families(("IPv4", "IPv6"))
    (tmp_path / "disabled").write_text("1\n")
    with pytest.raises(SettingsError, match=r"`sysctl -w net.ipv6.conf.all.disable_ipv6=0` turns it on"):
        networks.require_families(("IPv6",))
    networks.require_families(("IPv4",))
    (tmp_path / "disabled").write_text("0\n")
    networks.require_families(("IPv4", "IPv6"))


def test_a_network_between_nodes_is_of_the_instances_families() -> None:
    settings = Settings(pod_cidr="10.8.0.0/16,fd00:8::/56", service_cidr="10.9.0.0/16,fd00:9::/112", node_cidr="10.8.0.0/22,fd00:8::/64")
    assert families(choice.with_nodes_network(Home(Path("/nowhere")), settings).nodes_networks) == ("IPv4", "IPv6")
