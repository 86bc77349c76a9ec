"""Work in the network namespaces of others."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.linux import netns


@pytest.fixture
def home() -> Iterator[int]:
    descriptor = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_no_thread_that_goes_on_has_been_in_a_namespace_of_others(home: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing depends on coming home from there."""
    entered: list[threading.Thread] = []
    monkeypatch.setattr(netns, "_enter", lambda namespace: entered.append(threading.current_thread()))
    assert netns.run_inside(home, lambda: 7) == 7
    assert [each.is_alive() for each in entered] == [False]


def test_what_fails_inside_is_raised_outside(home: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns, "_enter", lambda namespace: None)

    def fails() -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        netns.run_inside(home, fails)


def test_a_namespace_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        netns.run_at(str(tmp_path / "gone"), lambda: None)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="enter network namespace"):
        netns.run_at(str(tmp_path / "file"), lambda: None)
