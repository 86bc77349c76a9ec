"""What a node that is taken away leaves in folders that it shares with others: nothing of its own, and all of theirs."""

import json
import os
import socket
from pathlib import Path

import pytest

from pilothouse.engine.node.teardown import listening_at, remove_shared


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The files of three shims: two of ours, and one of another containerd."""
    folder = tmp_path / "run"
    (folder / "s").mkdir(parents=True)
    for name in ("old", "new", "theirs"):
        (folder / "s" / name).touch()
        (folder / "runc" / "k8s.io" / name).mkdir(parents=True)
        (folder / "runc" / "k8s.io" / name / "state.json").touch()
    return folder


def bundle(tmp_path: Path, name: str, file: str, text: str) -> None:
    folder = tmp_path / "state" / "io.containerd.runtime.v2.task" / "k8s.io" / name
    folder.mkdir(parents=True)
    (folder / file).write_text(text)


def left(shared: Path) -> tuple[set[str], set[str]]:
    return {each.name for each in (shared / "s").iterdir()}, {each.name for each in (shared / "runc" / "k8s.io").iterdir()}


def test_sockets_and_records_of_shims_that_were_killed_go(tmp_path: Path, shared: Path) -> None:
    bundle(tmp_path, "old", "address", f"unix://{shared}/s/old")
    bundle(tmp_path, "new", "bootstrap.json", json.dumps({"version": 3, "address": f"unix://{shared}/s/new", "protocol": "ttrpc"}))
    remove_shared(tmp_path / "state", shared)
    assert left(shared) == ({"theirs"}, {"theirs"})


@pytest.mark.parametrize(
    ("file", "text"), [("address", ""), ("address", "unix:///etc/passwd"), ("bootstrap.json", "[]"), ("bootstrap.json", "{")]
)
def test_a_bundle_that_names_no_socket_of_a_shim_takes_none_away(tmp_path: Path, shared: Path, file: str, text: str) -> None:
    bundle(tmp_path, "old", file, text)
    remove_shared(tmp_path / "state", shared)
    assert left(shared) == ({"old", "new", "theirs"}, {"new", "theirs"})


def test_a_node_without_bundles_takes_nothing_away(tmp_path: Path, shared: Path) -> None:
    remove_shared(tmp_path / "state", shared)
    assert left(shared) == ({"old", "new", "theirs"}, {"old", "new", "theirs"})


def test_the_sockets_of_a_shim_are_those_that_it_listens_at(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ours, socket.socket(socket.AF_UNIX) as elsewhere:
        (tmp_path / "s").mkdir()
        ours.bind(str(tmp_path / "s" / "shim"))
        ours.listen()
        elsewhere.bind(str(tmp_path / "other"))
        (tmp_path / "s" / "theirs").touch()
        assert listening_at(os.getpid(), tmp_path / "s") == [tmp_path / "s" / "shim"]
    assert listening_at(os.getpid(), tmp_path / "s") == []
