"""The supervisor's few lines of shell, with a stand-in for the server."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse.platform.databases.mysql.supervisor import TEXT

# Named as the server is, by which the supervisor knows it; notes each start.
SERVER = '#!/bin/sh\necho "$$" >>"$(dirname "$0")/starts"\nexec sleep 60\n'


@dataclass
class Supervised:
    run: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.process.send_signal(signal.SIGUSR1)

    def starts(self) -> list[int]:
        found = self.run / "starts"
        return [int(line) for line in found.read_text().split()] if found.exists() else []

    def server(self) -> int:
        return int((self.run / "server.pid").read_text())


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    (tmp_path / "mariadbd").write_text(SERVER)
    (tmp_path / "mariadbd").chmod(0o755)
    (tmp_path / "program").write_text(str(tmp_path / "mariadbd"))
    environment = {**os.environ, "RUN": str(tmp_path), "DATA": str(tmp_path), "STOP_S": "1"}
    process = subprocess.Popen(["/bin/sh", "-c", TEXT], env=environment, start_new_session=True)
    made = Supervised(tmp_path, process)
    until((tmp_path / "supervisor.pid").exists)
    yield made
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_server_that_is_asked_for_many_times_is_started_once(supervised: Supervised) -> None:
    for number in range(5):
        supervised.ask(20)
        until((supervised.run / "server.pid").exists)
        until(lambda number=number: len(supervised.starts()) > number)  # type: ignore[misc]
        supervised.ask(20)
        time.sleep(0.1)
        os.kill(supervised.server(), signal.SIGKILL)
        until((supervised.run / "ended").exists)
        assert (supervised.run / "ended").read_text().strip() == "137"
    assert len(supervised.starts()) == 5


def test_a_server_that_ended_is_not_started_unasked(supervised: Supervised) -> None:
    supervised.ask(3)
    until((supervised.run / "server.pid").exists)
    until(lambda: bool(supervised.starts()))
    supervised.ask(3)
    os.kill(supervised.server(), signal.SIGKILL)
    until((supervised.run / "ended").exists)
    time.sleep(0.3)
    assert len(supervised.starts()) == 1


def test_the_end_takes_the_server_along(supervised: Supervised) -> None:
    supervised.ask()
    until((supervised.run / "server.pid").exists)
    until(lambda: bool(supervised.starts()))
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.process.wait(20) == 0
    assert not Path(f"/proc/{supervised.starts()[0]}").exists()


def test_what_a_server_says_before_it_has_opened_its_log_is_in_there(supervised: Supervised) -> None:
    (supervised.run / "mariadbd").write_text("#!/bin/sh\necho 'Unknown collation' >&2\nexit 1\n")
    supervised.ask()
    until((supervised.run / "ended").exists)
    assert (supervised.run / "log" / "error.log").read_text() == "Unknown collation\n"
