"""What the pod network does in the namespaces of others."""

import os
import threading

import pytest

from pilothouse.network.pod import kernel


@pytest.fixture
def home() -> int:
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def test_no_thread_that_goes_on_has_been_in_a_namespace_of_others(home: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing depends on coming home from there."""
    entered: list[threading.Thread] = []
    monkeypatch.setattr(kernel, "_enter", lambda namespace: entered.append(threading.current_thread()))
    kernel._inside(home, lambda: None)
    assert [each.is_alive() for each in entered] == [False]
    os.close(home)


def test_what_fails_inside_is_raised_outside(home: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_enter", lambda namespace: None)

    def fails() -> None:
        raise kernel.NetworkFailure("refused")

    with pytest.raises(kernel.NetworkFailure, match="refused"):
        kernel._inside(home, fails)
    os.close(home)
