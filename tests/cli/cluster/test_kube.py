"""Kubeconfigs of several instances in one file."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pilothouse.cli.main import ph
from pilothouse.cli.settings.home import Home
from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig


def instance(path: Path, port: int) -> Home:
    home = Home(path)
    path.mkdir()
    document = kubeconfig_file.document(Kubeconfig(server=f"https://127.0.0.1:{port}", token="t"), home.cluster_name)
    kubeconfig_file.write(home.kubeconfig, document)
    return home


def test_two_instances_are_two_contexts_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(own))
    for name, port in (("one", 1), ("two", 2)):
        home = instance(tmp_path / name, port)
        done = CliRunner().invoke(ph, ["--home", str(home.path), "kubeconfig", "--merge"])
        assert done.exit_code == 0
        assert home.cluster_name in done.stderr
    merged = yaml.safe_load(own.read_text())
    assert {each["cluster"]["server"] for each in merged["clusters"]} == {"https://127.0.0.1:1", "https://127.0.0.1:2"}
    assert merged["current-context"] == Home(tmp_path / "two").cluster_name
    assert len(merged["contexts"]) == len(merged["users"]) == 2


def test_the_clusters_own_file_is_not_merged_into_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = instance(tmp_path / "one", 1)
    monkeypatch.setenv("KUBECONFIG", str(home.kubeconfig))
    before = home.kubeconfig.read_bytes()
    done = CliRunner().invoke(ph, ["--home", str(home.path), "kubeconfig", "--merge"])
    assert (done.exit_code, "unset KUBECONFIG; ph --home" in done.stderr) == (1, True)
    assert home.kubeconfig.read_bytes() == before
