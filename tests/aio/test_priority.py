"""Threads that go first, as the kernel sees them."""

import os
import threading
from collections.abc import Callable

import pytest

from pilothouse.aio.priority import as_others, go_first


def policy() -> int:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


def in_a_thread(work: Callable[[], list[int]]) -> list[int]:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(work()))
    thread.start()
    thread.join()
    return found


def test_a_thread_goes_first_but_for_its_long_work() -> None:
    def work() -> list[int]:
        if not go_first():
            return []
        with as_others():
            inside = policy()
        return [inside, policy()]

    found = in_a_thread(work)
    if not found:
        pytest.skip("real-time scheduling is not allowed here")
    assert found == [os.SCHED_OTHER, os.SCHED_RR]
    assert policy() == os.SCHED_OTHER, "of other threads nothing changes"


def test_where_it_is_not_allowed_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not go_first()
    with as_others():
        assert policy() == os.SCHED_OTHER
