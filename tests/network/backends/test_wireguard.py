"""WireGuard: what is made for it, and what is said where the kernel has none."""

import base64
import json
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from pilothouse.model.cluster_network import filled
from pilothouse.network.backends.seam import BackendFailure, Peer, View
from pilothouse.network.backends.table import Route
from pilothouse.network.backends.wireguard import keys
from pilothouse.network.backends.wireguard.plan import KEY, announced, plan, text
from tests.network.backends.hosts import hosts, reaches, until

KEY_A, KEY_B = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def peer(name: str, number: int, key: str, *, through: str = "") -> Peer:
    node = {"metadata": {"name": name, "annotations": {KEY: json.dumps({"publicKey": key, "port": 51820})} if key else {}}}
    cidrs = (ip_network(f"10.244.{number}.0/24"), ip_network(f"fd00:10:244:{number}::/64"))
    return Peer(name, cidrs, (ip_address(f"192.0.2.{number}"),), through or name, node)


def test_each_host_is_a_peer_with_the_ranges_behind_it_and_who_has_no_key_waits() -> None:
    peers = {"a": peer("a", 2, KEY_A), "inside-a": peer("inside-a", 3, "", through="a"), "late": peer("late", 4, "")}
    wanted = plan(View(None, peers, filled({}), {"a": 1300}), "phg-x")
    assert wanted.waiting == {"late"}
    assert wanted.routes["inside-a"] == [Route("10.244.3.0/24", "", "phg-x"), Route("fd00:10:244:3::/64", "", "phg-x")]
    assert wanted.routes["a"][0].mtu == 1300
    assert text(KEY_B, wanted).splitlines() == [
        "[Interface]",
        f"PrivateKey = {KEY_B}",
        "ListenPort = 51820",
        "",
        "[Peer]",
        f"PublicKey = {KEY_A}",
        "Endpoint = 192.0.2.2:51820",
        "AllowedIPs = 10.244.2.0/24, fd00:10:244:2::/64, 10.244.3.0/24, fd00:10:244:3::/64",
    ]


@pytest.mark.parametrize(
    "said", ["", "[]", "{", '{"publicKey": "short", "port": 1}', f'{{"publicKey": "{KEY_A}\\n", "port": 1}}', f'{{"publicKey": "{KEY_A}"}}']
)
def test_what_is_no_key_is_none(said: str) -> None:
    assert announced({"metadata": {"name": "a", "annotations": {KEY: said}}}) is None


def test_the_private_key_is_made_once_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    made = keys.kept(tmp_path / "network")
    assert keys.kept(tmp_path / "network") == made
    assert (tmp_path / "network" / keys.FILE).stat().st_mode & 0o777 == 0o600
    if shutil.which("wg"):
        shown = subprocess.run(["wg", "pubkey"], input=made, capture_output=True, text=True, check=True).stdout.strip()
        assert keys.public(made) == shown


def test_a_spoilt_key_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    (tmp_path / keys.FILE).write_text("spoilt")
    with pytest.raises(BackendFailure, match="remove it to have another one made"):
        keys.kept(tmp_path)


def test_packets_are_encrypted_or_the_node_says_why_they_are_not_and_stays_reached(tmp_path: Path) -> None:
    with hosts(tmp_path) as cluster:
        first, second = cluster.hosts
        for host in cluster.hosts:
            cluster.start(host)
        until(cluster.settled, "both follow")
        cannot = json.loads(first.node["metadata"]["annotations"]["network.pilothouse.dev/cannot"])
        cluster.set(encryption="WireGuard")
        if "WireGuard" in cannot:
            assert cannot["WireGuard"].startswith(("its kernel has no WireGuard", "it has no program wg"))
            until(lambda: first.conditions.get("NetworkUnavailable", {}).get("status") == "True", "the condition says so")
            assert "WireGuard" in first.conditions["NetworkUnavailable"]["message"]
        else:
            until(cluster.settled, "both follow")
            assert "phg-test" in first.ip("route")
        assert reaches(first, second)
