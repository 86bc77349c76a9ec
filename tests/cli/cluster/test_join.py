"""What `ph join` says of what it is given, before it touches anything."""

import socket
from pathlib import Path

import click
import pytest

from pilothouse.cli.cluster import join, status
from pilothouse.cli.cluster.discovery import Cluster
from pilothouse.cli.settings.home import Home, Settings
from tests.cli.test_ending import ph

TOKEN, HASH = "abcdef.0123456789abcdef", "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["10.0.0.1", "--token", "abc", "--ca-cert-hash", HASH],
            "is not of the form abcdef.0123456789abcdef: `ph token create` on the first machine",
        ),
        (["10.0.0.1", "--token", TOKEN, "--ca-cert-hash", "md5:1"], "'md5:1' is not sha256: and 64 hexadecimal digits"),
        (["10.0.0.1", "--token", TOKEN], "--ca-cert-hash"),
        (["http://10.0.0.1", "--token", TOKEN, "--ca-cert-hash", HASH], "is no address of an API server such as 10.0.0.1:6443"),
        (["10.0.0.1:0", "--token", TOKEN, "--ca-cert-hash", HASH], "is no address of an API server"),
        (["10.0.0.1:x", "--token", TOKEN, "--ca-cert-hash", HASH], "is no address of an API server"),
        (["10.0.0.1", "--token", TOKEN, "--ca-cert-hash", HASH, "--node-name", "A_b"], "is no name of a node"),
        (["10.0.0.1", "--token", TOKEN, "--ca-cert-hash", HASH, "--node-name", "a" * 53], "at most 52 characters with --node-name"),
        (["me@10.0.0.1", "--token", TOKEN, "--ca-cert-hash", HASH], "is no address of an API server"),
        (["127.0.0.1:1", "--token", TOKEN, "--ca-cert-hash", HASH, "--node-ip", "x"], "--node-ip 'x' is no IP address"),
        (["127.0.0.1:1", "--token", TOKEN, "--ca-cert-hash", HASH, "--node-ip", "192.0.2.1"], "192.0.2.1 is no address of this machine"),
        (["127.0.0.1:1", "--token", TOKEN, "--ca-cert-hash", HASH, "--node-ip", "127.0.0.1"], "127.0.0.1 is no address of this machine"),
        (
            ["127.0.0.1:1", "--token", TOKEN, "--ca-cert-hash", HASH],
            "https://127.0.0.1:1 cannot be reached: connection refused: `ph status` on the first machine says whether it runs",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path, words: list[str], said: str) -> None:
    home = tmp_path / "home"
    done = ph("--home", str(home), "join", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert not home.exists()


@pytest.mark.parametrize(
    ("server", "what"), [("", "a cluster of its own"), ("https://192.0.2.1:6443", "a node of the cluster at https://192.0.2.1:6443")]
)
def test_a_home_that_is_something_already_does_not_join(tmp_path: Path, server: str, what: str) -> None:
    Settings(server=server).save(Home(tmp_path))
    done = ph("--home", str(tmp_path), "join", "10.0.0.1", "--token", TOKEN, "--ca-cert-hash", HASH)
    assert done.returncode == 1
    assert f"{tmp_path} is {what} already" in done.stderr


def test_commands_about_the_cluster_say_where_they_work(tmp_path: Path) -> None:
    Settings(server="https://192.0.2.1:6443").save(Home(tmp_path))
    done = ph("--home", str(tmp_path), "apps")
    assert done.returncode == 1
    assert "is a node of the cluster at https://192.0.2.1:6443: this command works with that cluster's kubeconfig" in done.stderr


def test_a_token_for_another_machine_needs_an_address_for_it(tmp_path: Path) -> None:
    Settings().save(Home(tmp_path))
    (tmp_path / "admin.kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
        " users: [{name: u, user: {}}],"
        " clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: eA==}}]}"
    )
    done = ph("--home", str(tmp_path), "token", "create", "--print-join-command")
    assert done.returncode == 1
    assert "listens on loopback alone" in done.stderr
    assert "up --api-listen ADDRESS`" in done.stderr


def test_the_status_of_a_joined_home_lacks_no_nodes_of_others() -> None:
    """What nodes there are is the cluster's to say."""
    assert status._lacking({"server": "https://192.0.2.1:6443", "failing": []}) == []
    assert status._lacking({"server": "https://192.0.2.1:6443", "failing": ["x does not work: y"]})


def test_a_machine_whose_port_of_the_registry_is_taken_does_not_join() -> None:
    with socket.create_server((join.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            click.ClickException, match=rf"port {port} of 127\.0\.0\.1, by which the cluster's images are named on every node"
        ):
            join._require_registry_port(port)
    join._require_registry_port(port)
    join._require_registry_port(0)


def cluster(pods: str) -> Cluster:
    return Cluster("https://127.0.0.1:6443", b"", pods, "10.96.0.0/16", "cluster.local")


def test_a_machine_that_joins_has_an_address_of_each_family_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "_default_address", {"IPv6": "2001:db8::7", "IPv4": "192.0.2.7"}.__getitem__)
    assert join._addresses(cluster("10.244.0.0/16")) == ("127.0.0.1",)
    assert join._addresses(cluster("10.244.0.0/16,fd00:1::/56")) == ("127.0.0.1", "2001:db8::7")
    assert join._addresses(cluster("fd00:1::/56,10.244.0.0/16")) == ("2001:db8::7", "127.0.0.1")


def test_a_machine_without_an_address_of_a_family_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(join, "_default_address", lambda family: "")
    assert join._addresses(cluster("10.244.0.0/16,fd00:1::/56")) == ("127.0.0.1",)
    assert "this machine has no IPv6 address by which other nodes would reach its pods: --node-ip names one" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "10.0.0.1,10.0.0.2", "fe80::1", "::1", "::"])
def test_addresses_by_which_nobody_reaches_a_node_are_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="--node-ip"):
        join._stated_addresses(text)
