"""An instance finds networks that nothing on the machine uses, and says who has one that was asked for."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster import choice, networks
from pilothouse.cli.cluster.neighbours import home_of
from pilothouse.cli.settings.home import Home, Settings, SettingsError

# Interface, destination and mask as the kernel prints them: the default route, and 10.245.0.0/16 on ph-x.
ROUTES = [
    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "ph-x\t0000F50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
]
OTHER = (Home(Path("/srv/other")), Settings())


def test_networks_of_other_instances_and_of_routes_are_left_alone() -> None:
    uses = networks.in_use([OTHER], ROUTES)
    assert networks.choose("--pod-cidr", networks.POD_NETWORKS, uses) == "10.246.0.0/16"
    assert networks.choose("--service-cidr", networks.SERVICE_NETWORKS, uses) == "10.97.0.0/16"
    assert networks.choose("--pod-cidr", networks.POD_NETWORKS, networks.in_use([], [])) == "10.244.0.0/16"


@pytest.mark.parametrize(
    ("cidr", "holder"),
    [("10.244.7.0/24", "10.244.0.0/16, which the instance at /srv/other"), ("10.0.0.0/8", "10.244"), ("10.245.0.0/16", "interface ph-x")],
)
def test_a_network_that_was_asked_for_and_is_used_is_refused_with_its_holder(cidr: str, holder: str) -> None:
    with pytest.raises(SettingsError, match=rf"--pod-cidr {cidr} overlaps .*{holder}"):
        networks.refuse_used("--pod-cidr", cidr, networks.in_use([OTHER], ROUTES))


def test_when_all_are_used_the_way_out_is_named() -> None:
    with pytest.raises(SettingsError, match="choose one with --pod-cidr"):
        networks.choose("--pod-cidr", ["10.245.0.0/16"], networks.in_use([], ROUTES))


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
    [("10.244.0.0/16", "10.244.0.0/22"), ("10.0.0.0/8", "10.0.0.0/22"), ("10.1.16.0/20", "10.1.16.0/22"), ("10.1.0.0/21", "10.1.0.0/21")],
)
def test_the_first_node_has_the_first_part_of_a_network_that_is_large_enough_for_several(pods: str, first: str) -> None:
    assert networks.first_range(pods) == first
    assert networks.is_shared(pods, first) == (pods != first)


def test_an_instance_of_an_earlier_version_stays_with_one_node(tmp_path: Path) -> None:
    """Its node has all addresses, which cannot change."""
    (tmp_path / "settings.json").write_text('{"pod_cidr": "10.244.0.0/16", "node_name": "n"}')
    settings = Settings.load(Home(tmp_path))
    assert settings is not None
    assert str(settings.node_network) == "10.244.0.0/16"
    assert settings.address == "10.244.0.1"
    with pytest.raises(SettingsError, match=r"all of the pod network 10\.244\.0\.0/16 is the first node's"):
        choice.with_nodes_network(Home(tmp_path), settings)


def test_a_network_between_nodes_is_chosen_once() -> None:
    settings = Settings(pod_cidr="10.244.0.0/16", node_cidr="10.244.0.0/22")
    chosen = choice.with_nodes_network(Home(Path("/nowhere")), settings)
    assert chosen.nodes_gateway.endswith(".1")
    assert choice.with_nodes_network(Home(Path("/nowhere")), chosen) == chosen


def test_a_joined_home_is_started_without_options() -> None:
    joined = Settings(server="https://192.0.2.1:6443", node_name="n")
    assert choice.next_settings(Home(Path("/nowhere")), joined, {"api_port": None, "node_name": None}) == joined
    with pytest.raises(SettingsError, match="`ph up` starts it, without --port"):
        choice.next_settings(Home(Path("/nowhere")), joined, {"api_port": 7000})


def test_an_address_of_the_api_for_other_machines_is_one() -> None:
    for wrong in ("0.0.0.0", "127.0.0.1", "::", "nonsense"):
        with pytest.raises(SettingsError, match=r"--api-listen .*: give the IPv4 address by which other machines reach this one"):
            Settings(api_listen=wrong)
