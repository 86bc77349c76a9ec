import os
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

from pilothouse.cli.cluster.first_start import first_start


def held(lock: Path, has_it: Event, let_go: Event) -> None:
    with first_start(lock):
        has_it.set()
        let_go.wait(20)


def test_a_first_start_waits_for_the_one_before_it(tmp_path: Path) -> None:
    lock, processes = tmp_path / "lock", get_context("fork")
    has_it, let_go, second_has_it, never = (processes.Event() for _ in range(4))
    first = processes.Process(target=held, args=(lock, has_it, let_go))
    first.start()
    assert has_it.wait(10)
    second = processes.Process(target=held, args=(lock, second_has_it, never))
    second.start()
    assert not second_has_it.wait(0.3)
    let_go.set()
    assert second_has_it.wait(10)
    never.set()
    for each in (first, second):
        each.join(10)


def test_a_first_start_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    lock, processes = tmp_path / "lock", get_context("fork")
    has_it, never = processes.Event(), processes.Event()
    killed = processes.Process(target=held, args=(lock, has_it, never))
    killed.start()
    assert has_it.wait(10)
    killed.kill()
    with first_start(lock, patience_s=10):
        killed.join(10)
    assert killed.exitcode == -9


def test_a_first_start_goes_on_when_another_never_ends_or_there_is_no_place_for_a_lock(tmp_path: Path) -> None:
    begun = time.monotonic()
    with first_start(tmp_path / "lock"), first_start(tmp_path / "lock", patience_s=0.2), first_start(tmp_path / "none" / "lock"):
        assert time.monotonic() - begun < 5


def test_the_lock_is_no_way_to_write_elsewhere(tmp_path: Path) -> None:
    os.symlink(tmp_path / "target", tmp_path / "lock")
    with first_start(tmp_path / "lock"):
        assert not (tmp_path / "target").exists()
