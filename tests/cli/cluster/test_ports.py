import os
import socket
from collections.abc import Iterator

import pytest

from pilothouse.cli.cluster import ports
from pilothouse.cli.settings.home import SettingsError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def test_the_wanted_port_is_taken_when_it_is_free_and_else_the_first_free_one(taken: int) -> None:
    other = free()
    assert ports.choose("127.0.0.1", other, [taken]) == other
    assert ports.choose("127.0.0.1", taken, [taken, other]) == other


def test_when_all_are_taken_the_way_out_is_named(taken: int) -> None:
    with pytest.raises(SettingsError, match=f"port {taken} and its alternatives are taken"):
        ports.choose("127.0.0.1", taken, [taken])


def test_a_taken_port_is_refused_with_the_program_that_has_it(taken: int) -> None:
    with pytest.raises(SettingsError, match=rf"port {taken} is taken by \S+ \(pid {os.getpid()}\).*--http-port"):
        ports.refuse_taken("--http-port", "127.0.0.1", taken)
    ports.refuse_taken("--http-port", "127.0.0.1", free())


def test_nobody_holds_a_free_port() -> None:
    assert ports.holder(free()) == ""


def test_a_port_that_an_own_process_holds_is_not_in_the_way(taken: int) -> None:
    ports.refuse_taken("--http-port", "127.0.0.1", taken, ours={os.getpid()})
    with pytest.raises(SettingsError):
        ports.refuse_taken("--http-port", "127.0.0.1", taken, ours={1})
