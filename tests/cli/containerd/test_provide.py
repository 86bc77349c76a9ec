"""What `ph up` does about the machine's containerd before it starts anything."""

from pathlib import Path

import pytest

from pilothouse.cli.containerd.fetch import FetchError
from pilothouse.cli.containerd.provide import provide
from pilothouse.engine.node.runtime.programs import Programs
from tests.engine.node.test_programs import program


class Mirror:
    """Stands for the network: whether it has a later containerd, and how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.has_it, self.asked, self.folder = False, 0, folder

    def provide(self) -> None:
        provide(self.folder, "bookworm", self.fetch)

    def fetch(self, host: str, folder: Path) -> Programs:
        self.asked += 1
        if not self.has_it:
            raise FetchError("the package mirror cannot be reached")
        program(folder / "1.7.24", "1.7.24")
        return Programs(folder / "1.7.24", (1, 7, 24))


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """On a Debian 12 whose containerd loses output."""
    program(tmp_path / "bin", "1.6.20~ds1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Mirror(tmp_path / "kept")


def test_a_later_one_is_fetched_once(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.has_it = True
    mirror.provide()
    mirror.provide()
    assert mirror.asked == 1
    assert capsys.readouterr().err.count("fetching a later containerd from the packages of trixie") == 1


def test_without_a_network_it_is_said_once_what_is_lost(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.provide()
    said = capsys.readouterr().err
    assert "containerd 1.6.20 of this machine loses the end of a container's output" in said
    assert "the package mirror cannot be reached" in said
    mirror.provide()
    assert (mirror.asked, capsys.readouterr().err) == (1, "")


def test_a_machine_whose_own_keeps_output_needs_no_network(mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path / "bin", "v1.7.12")
    mirror.provide()
    assert (mirror.asked, capsys.readouterr().err) == (0, "")
