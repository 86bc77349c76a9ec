"""Another machine, as far as a node can tell: namespaces of network and mounts of its own, on the network between an instance's nodes."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from pilothouse.cli.settings.home import Home


@dataclass(frozen=True)
class OtherMachine:
    """pid: of the process that keeps its namespaces."""

    pid: int
    home: Path

    def ph(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pilothouse.cli", "--home", str(self.home), *words]
        done = subprocess.run([*_entering(self.pid), *command], capture_output=True, text=True, timeout=200, check=False)
        assert not check or done.returncode == 0, f"ph {' '.join(words)}: {done.stdout}\n{done.stderr}"
        return done

    def tables(self) -> str:
        return _run(*_entering(self.pid), "nft", "list", "tables")

    def links(self) -> list[str]:
        return [link["ifname"] for link in json.loads(_run(*_entering(self.pid), "ip", "-json", "link"))]


@contextlib.contextmanager
def beside(home: Path) -> Iterator[OtherMachine]:
    """One that reaches the instance with that home, which has further nodes; afterwards it is no node any more.

    Its own home is empty at first.
    """
    network = IPv4Network(json.loads((home / "settings.json").read_text())["nodes_cidr"])
    own, bridge = Path(tempfile.mkdtemp(prefix="pht-other-")), f"phn-{Home(home).instance}"
    try:
        with other_machine(own, bridge, f"{network[99]}/{network.prefixlen}", str(network[1])) as made:
            try:
                yield made
            finally:
                made.ph("destroy", "--yes", check=False)
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextlib.contextmanager
def other_machine(home: Path, bridge: str, address: str, gateway: str) -> Iterator[OtherMachine]:
    """address: with its prefix. The processes that it has are to be ended before it is."""
    keeper = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "infinity"])
    try:
        _until_apart(keeper.pid)
        link = f"pht{keeper.pid}"
        _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        _run("ip", "link", "set", link, "master", bridge, "up")
        inside = _entering(keeper.pid)
        # What instances remember of the machine's settings is another machine's there.
        Path("/run/pilothouse").mkdir(exist_ok=True)
        _run(*inside, "mount", "-t", "tmpfs", "none", "/run/pilothouse")
        lines = ["link set lo up", "link set eth0 up", f"address add {address} dev eth0", f"route add default via {gateway}"]
        for line in lines:
            _run(*inside, "ip", *line.split())
        yield OtherMachine(keeper.pid, home)
    finally:
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()


def _until_apart(pid: int) -> None:
    own = Path("/proc/self/ns/net").readlink()
    for _ in range(200):
        if Path(f"/proc/{pid}/ns/net").readlink() != own and Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
            return
        time.sleep(0.01)
    raise AssertionError("the other machine has not come up")


def _entering(pid: int) -> list[str]:
    return ["nsenter", "-t", str(pid), "-n", "-m", "--"]


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
