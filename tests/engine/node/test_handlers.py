"""Which low-level runtimes a node has, what they can do, and how the node says so."""

import tomllib
from pathlib import Path

import pytest

from pilothouse.engine.node import facts
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.answers import features_of
from pilothouse.engine.node.runtime.handlers import installed
from pilothouse.engine.node.runtime.seam import Features, HandlerFeatures


def test_runtimes_that_are_installed_are_handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed(systemd=False) == {}
    for name in ("crun", "containerd-shim-kata-v2", "runsc"):
        (tmp_path / name).touch(0o755)
    found = installed(systemd=False)
    # runsc without its shim is nothing that containerd could use.
    assert set(found) == {"crun", "kata"}
    assert f'BinaryName = "{tmp_path}/crun"' in found["crun"]
    assert 'runtime_type = "io.containerd.kata.v2"' in found["kata"]


def test_programs_ask_systemd_for_cgroups_where_it_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given a slice's name as the parent, which means nothing to a program that makes folders."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "crun").touch(0o755)
    said = {systemd: tomllib.loads(installed(systemd=systemd)["crun"]) for systemd in (True, False)}
    runtimes = {systemd: each["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"] for systemd, each in said.items()}
    assert {systemd: each["crun"]["options"]["SystemdCgroup"] for systemd, each in runtimes.items()} == {True: True, False: False}


def test_a_runtime_that_shows_its_configuration_alone_promises_nothing_of_its_handlers() -> None:
    answer = api.StatusResponse(info={"config": '{"containerd": {"runtimes": {"runc": {}, "crun": {}}}}'})
    found = features_of(answer)
    assert found == Features({"": HandlerFeatures(), "runc": HandlerFeatures(), "crun": HandlerFeatures()})


def test_a_runtime_says_what_its_handlers_can_do() -> None:
    can = api.RuntimeHandlerFeatures(recursive_read_only_mounts=True, user_namespaces=True)
    answer = api.StatusResponse(
        runtime_handlers=[api.RuntimeHandler(name="", features=can), api.RuntimeHandler(name="plain")],
        features=api.RuntimeFeatures(supplemental_groups_policy=True),
    )
    assert features_of(answer) == Features({"": HandlerFeatures(True, True), "plain": HandlerFeatures()}, supplemental_groups_policy=True)


def test_the_node_says_what_its_runtime_can_do() -> None:
    said = facts.runtime_features(Features({"runc": HandlerFeatures(), "": HandlerFeatures(user_namespaces=True)}))
    assert said["features"] == {"supplementalGroupsPolicy": False}
    assert [(each["name"], each["features"]["userNamespaces"]) for each in said["runtimeHandlers"]] == [("", True), ("runc", False)]
    assert facts.runtime_features(None) == {}
