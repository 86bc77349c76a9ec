import re
from pathlib import Path

import pytest

from pilothouse.cli.settings.home import DEFAULT_HOME, Home, Settings, SettingsError


def test_a_home_is_absolute_and_has_a_short_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "a"))
    assert Home.chosen(None).path == tmp_path / "a"
    assert Home.chosen(str(tmp_path / "b")).path == tmp_path / "b"
    monkeypatch.chdir(tmp_path)
    assert Home.chosen("b").path == tmp_path / "b"
    assert Home(tmp_path / "a").instance != Home(tmp_path / "b").instance
    assert len(Home(tmp_path).instance) == 8


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert Settings.load(home) is None
    settings = Settings(api_port=7443, pod_cidr="10.8.0.0/16", node_port_range=(31000, 32000))
    settings.save(home)
    assert Settings.load(home) == settings
    assert [path.name for path in home.path.iterdir()] == ["settings.json"]


def test_only_what_is_given_is_changed() -> None:
    settings = Settings(api_port=7443)
    assert settings.changed(api_port=None, http_port=8080) == Settings(api_port=7443, http_port=8080)


def test_settings_of_a_newer_version_are_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings.write_text('{"api_port": 7443, "from_the_future": true}')
    loaded = Settings.load(home)
    assert loaded is not None
    assert loaded.api_port == 7443
    assert Settings.unknown(home) == ["from_the_future"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"api_port": "7443"}', "api_port '7443' is no port: give a number from 1 to 65535"),
        ('{"http_port": true}', "http_port True is no port"),
        ('{"registry_port": 70000}', "registry_port 70000 is no port"),
        ('{"registry_port": 0}', "registry_port 0 is no port"),
        ('{"kubelet_port": 0}', "kubelet_port 0 is no port"),
        ('{"platform": "false"}', "platform 'false' is neither true nor false"),
        ('{"node_name": 3}', "node_name 3 is no text"),
        ('{"node_port_range": [32767, 30000]}', r"node_port_range \[32767, 30000\] is no range such as"),
        ('{"node_port_range": 30000}', "node_port_range 30000 is no range"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path: Path, text: str, message: str) -> None:
    home = Home(tmp_path)
    home.settings.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Settings.load(home)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\0\0\0"])
def test_damaged_settings_are_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.settings.write_text(text)
    with pytest.raises(SettingsError, match=rf"settings\.json is damaged .*`ph --home {re.escape(str(home.path))} destroy`"):
        Settings.load(home)


@pytest.mark.parametrize(
    ("text", "salvaged"),
    [
        ("{", Settings()),
        ("[]", Settings()),
        ('{"store_quota_mib": "x", "node_name": "n", "nodes_cidr": "172.27.0.0/24"}', Settings(node_name="n", nodes_cidr="172.27.0.0/24")),
        (
            '{"pod_cidr": "10.96.0.0/16", "service_cidr": "10.97.0.0/16", "listen": 5}',
            Settings(pod_cidr="10.96.0.0/16", service_cidr="10.97.0.0/16"),
        ),
    ],
)
def test_of_damaged_settings_what_can_be_read_serves_the_removal(tmp_path: Path, text: str, salvaged: Settings) -> None:
    home = Home(tmp_path)
    home.settings.write_text(text)
    assert Settings.salvaged(home) == salvaged
    assert Settings.is_readable(home) == (salvaged != Settings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pod_cidr": "10.96.0.0/12"}, "overlap"),
        ({"pod_cidr": "not a network"}, "--pod-cidr 'not a network' is no network"),
        ({"service_cidr": "10.1.0.0/30"}, "--service-cidr 10.1.0.0/30 is too small"),
        ({"service_cidr": "10.96.0.1/16"}, "--service-cidr"),
        ({"pod_cidr": ""}, "--pod-cidr '' names no network"),
        ({"pod_cidr": "10.8.0.0/16,10.9.0.0/16"}, "more than one network of a family"),
        ({"pod_cidr": "10.8.0.0/16,fd00:8::/56"}, "pods have IPv4 and IPv6 and services IPv4 addresses"),
        ({"pod_cidr": "fd00:8::/56,10.8.0.0/16", "service_cidr": "10.96.0.0/16,fd00:9::/112"}, "in the same order"),
        ({"pod_cidr": "10.8.0.0/16,fd00:8::/56", "service_cidr": "10.96.0.0/16,fd00:8::/112"}, "fd00:8::/56 and .* fd00:8::/112 overlap"),
        ({"pod_cidr": "fd00:8::/120", "service_cidr": "fd00:9::/112"}, "fd00:8::/120 is too small: it needs at least a /112"),
        ({"pod_cidr": "fe80::/64", "service_cidr": "fd00:9::/112"}, "is for links, loopback or multicast"),
    ],
)
def test_networks_that_cannot_be_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**values)  # type: ignore[arg-type]


def test_addresses_follow_from_the_networks() -> None:
    settings = Settings(pod_cidr="10.8.0.0/16", service_cidr="10.9.0.0/16")
    assert (settings.api_addresses, settings.dns_addresses, settings.gateway_addresses) == (("10.9.0.1",), ("10.9.0.10",), ("10.8.0.1",))


def test_kubeconfigs_name_the_cluster_after_its_home() -> None:
    assert Home(DEFAULT_HOME).cluster_name == "pilothouse"
    names = {Home(Path(path)).cluster_name for path in ("/srv/Second One", "/srv/b/Second One", "/srv/ü")}
    assert len(names) == 3
    assert all(re.fullmatch("pilothouse-[a-z0-9-]+", name) for name in names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"audit_mode": "strict"}, "audit_mode 'strict' is none of batch, blocking-strict, off"),
        ({"audit_file_mib": 0}, "audit_file_mib 0 is no whole number from 1 on, such as 50"),
        ({"audit_files": "many"}, "audit_files 'many' is no whole number"),
        ({"audit_days": 0.5}, "audit_days 0.5 is no whole number"),
        ({"autoscaler_sync_s": 2}, "autoscaler_sync_s 2 is no whole number of seconds from 3 to 300"),
        ({"autoscaler_sync_s": True}, "autoscaler_sync_s True is no whole number"),
    ],
)
def test_numbers_and_modes_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"eviction_hard": "memory.free<1Gi"}, "eviction_\\*: 'memory.free' is no signal of eviction: there are memory.available"),
        ({"eviction_hard": 5}, "eviction_hard 5 is no text such as"),
        ({"eviction_soft": "memory.available<1Gi"}, "needs a grace period"),
        ({"eviction_pressure_transition_s": -1}, "eviction_pressure_transition_s -1 is no whole number of seconds"),
        ({"eviction_max_pod_grace_s": True}, "eviction_max_pod_grace_s True is no whole number"),
        ({"kubelet_address": "everywhere"}, "kubelet_address 'everywhere' is not an IPv4 address"),
        ({"kubelet_address": "::1"}, "kubelet_address '::1' is not an IPv4 address"),
        ({"kubelet_address": None}, "kubelet_address None is not an IPv4 address"),
    ],
)
def test_settings_of_the_node_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**values)  # type: ignore[arg-type]


def test_eviction_may_be_turned_off() -> None:
    assert Settings(eviction_hard="").eviction_hard == ""


def test_kernel_parameters_of_the_machine_cannot_be_allowed_to_pods(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Settings(allow_sysctls=("kernel.msg*", "net.core.somaxconn")).save(home)
    stored = Settings.load(home)
    assert stored is not None
    assert stored.allow_sysctls == ("kernel.msg*", "net.core.somaxconn")
    assert stored.changed(allow_sysctls=()).allow_sysctls == ()
    with pytest.raises(SettingsError, match=r"--allow-sysctls: 'vm\.\*' is not known to be a pod's own"):
        stored.changed(allow_sysctls=("vm.*",))


def test_admission_plugins_are_those_that_there_are_on_request(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Settings(enable_admission_plugins=("DenyServiceExternalIPs",)).save(home)
    stored = Settings.load(home)
    assert stored is not None
    assert stored.enable_admission_plugins == ("DenyServiceExternalIPs",)
    assert stored.changed(enable_admission_plugins=()).enable_admission_plugins == ()
    with pytest.raises(SettingsError, match=r"--enable-admission-plugins: 'AlwaysPullImages' is none of DenyServiceExternalIPs;"):
        stored.changed(enable_admission_plugins=("AlwaysPullImages",))


def test_networks_of_node_ports_are_networks_of_either_family(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Settings(nodeport_addresses=("10.0.0.0/8", "2001:db8::/32")).save(home)
    stored = Settings.load(home)
    assert stored is not None
    assert stored.nodeport_addresses == ("10.0.0.0/8", "2001:db8::/32")
    with pytest.raises(SettingsError, match=r"--nodeport-addresses: '10\.0\.0' is no network such as 10\.0\.0\.0/8"):
        stored.changed(nodeport_addresses=("10.0.0",))


def test_a_node_of_a_cluster_without_a_registry_has_none() -> None:
    assert Settings(server="https://192.0.2.1:6443", registry_port=0).registry_port == 0


def test_addresses_of_both_families_follow_from_the_networks() -> None:
    settings = Settings(
        pod_cidr="10.8.0.0/16, fd00:8::/56", service_cidr="10.9.0.0/16,fd00:9::/112", node_cidr="10.8.4.0/22,fd00:8:0:1::/64"
    )
    assert settings.families == ("IPv4", "IPv6")
    assert settings.gateway_addresses == ("10.8.4.1", "fd00:8:0:1::1")
    assert settings.dns_addresses == ("10.9.0.10", "fd00:9::a")
    assert settings.addresses == settings.gateway_addresses
    assert settings.changed(node_address="fd00:7::2,192.0.2.2").addresses == ("192.0.2.2", "fd00:7::2")
