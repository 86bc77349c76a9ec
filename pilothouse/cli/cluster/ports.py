"""Which ports an instance takes: those asked for, or the next free ones, chosen once and kept."""

import errno
import socket
from collections.abc import Collection, Iterable
from pathlib import Path

from pilothouse.cli.settings.home import SettingsError


def is_free(host: str, port: int) -> bool:
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def is_of_this_machine(host: str) -> bool:
    """Whether a server can listen on the address here; 0.0.0.0 and all of loopback are of every machine."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return False
            raise
    return True


def choose(host: str, wanted: int, others: Iterable[int], *, given: Collection[int] = ()) -> int:
    """The wanted port, or the first free one of the others; raises SettingsError when all are taken. given: what is to be had by others."""
    for port in (wanted, *others):
        if port not in given and is_free(host, port):
            return port
    raise SettingsError(f"port {wanted} and its alternatives are taken on {host}: free one, or choose another with an option of `ph up`")


def refuse_taken(option: str, host: str, port: int, *, ours: Collection[int] = ()) -> None:
    """Raises SettingsError, naming who has the port, unless it is free or held by one of our own processes (pids)."""
    if is_free(host, port):
        return
    found = holders(port)
    if found and all(pid in ours for pid, _ in found):
        return
    owner = holder(port)
    raise SettingsError(f"port {port} is taken{f' by {owner}' if owner else ''}: end it, or choose another port with {option}")


def holder(port: int) -> str:
    """The program that listens on a TCP port, as `name (pid N)`; "" when it cannot be found out."""
    return next((f"{name} (pid {pid})" for pid, name in holders(port)), "")


def holders(port: int) -> list[tuple[int, str]]:
    """Pids and names of the processes that listen on a TCP port."""
    inodes = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in _lines(table)[1:]
        if (fields := line.split())[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    return [found for process in Path("/proc").glob("[0-9]*") if inodes and (found := _holding(process, inodes)) is not None]


def _holding(process: Path, inodes: Collection[str]) -> tuple[int, str] | None:
    try:
        for link in (process / "fd").iterdir():
            if (target := str(link.readlink())).startswith("socket:[") and target[8:-1] in inodes:
                return int(process.name), (process / "comm").read_text().strip()
    except OSError:
        return None
    return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
