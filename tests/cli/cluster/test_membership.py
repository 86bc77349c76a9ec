"""What becomes of a `ph join` that was broken off."""

from pathlib import Path

import pytest

from pilothouse.cli.cluster import commands
from pilothouse.cli.cluster.membership import is_known
from pilothouse.cli.settings.home import Home, Settings

SERVER = "https://192.0.2.1:6443"


def unfinished(path: Path, server: str, *files: str) -> Home:
    home = Home(path)
    commands.note_first(home)
    home.pki.mkdir()
    for name in files:
        (home.pki / name).write_text("")
    Settings(server=server).save(home)
    return home


@pytest.mark.parametrize(
    ("server", "files", "known"),
    [
        (SERVER, ["node.kubeconfig"], True),
        (SERVER, ["node.kubeconfig.request"], True),
        (SERVER, ["bootstrap.kubeconfig"], False),
        ("", ["node.kubeconfig"], False),
    ],
)
def test_a_cluster_knows_a_node_that_has_asked_for_its_certificate(tmp_path: Path, server: str, files: list[str], known: bool) -> None:
    assert is_known(unfinished(tmp_path, server, *files)) == known


def test_settings_that_cannot_be_read_are_no_nodes(tmp_path: Path) -> None:
    home = unfinished(tmp_path, SERVER, "node.kubeconfig")
    home.settings.write_text("{")
    assert not is_known(home)


def test_a_start_goes_on_with_a_node_that_its_cluster_knows(tmp_path: Path) -> None:
    """It is not undone, and no cluster of its own is made in its place."""
    home = unfinished(tmp_path, SERVER, "node.kubeconfig.request")
    commands.undo_unfinished(home)
    settings = Settings.load(home)
    assert settings is not None
    assert settings.server == SERVER
    assert (home.pki / "node.kubeconfig.request").exists()
