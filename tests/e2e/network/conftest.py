"""A host of its own for each test: a network namespace that this process enters, and pods as namespaces beside it."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*command: str, check: bool = True, **more: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **more)  # type: ignore[call-overload]
    assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
    return str(done.stdout)


@pytest.fixture
def host() -> Iterator[None]:
    """This thread, and the threads and processes it starts, see an empty network with only the loopback interface."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert _libc.unshare(_CLONE_NEWNET) == 0
    try:
        sh("ip", "link", "set", "lo", "up")
        yield
    finally:
        assert _libc.setns(home, _CLONE_NEWNET) == 0
        os.close(home)


@dataclass
class Namespace:
    process: subprocess.Popen[bytes]

    @property
    def path(self) -> str:
        return f"/proc/{self.process.pid}/ns/net"

    def command(self, *command: str) -> list[str]:
        return ["nsenter", f"--net={self.path}", *command]

    def run(self, *command: str, check: bool = True) -> str:
        return sh(*self.command(*command), check=check)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def namespace(host: None) -> Iterator[Callable[[], Namespace]]:
    made: list[Namespace] = []

    def make() -> Namespace:
        parent = os.readlink("/proc/thread-self/ns/net")
        made.append(Namespace(subprocess.Popen(["unshare", "--net", "sleep", "300"])))
        while os.readlink(made[-1].path) == parent:
            os.sched_yield()
        return made[-1]

    yield make
    for namespace in made:
        namespace.end()
