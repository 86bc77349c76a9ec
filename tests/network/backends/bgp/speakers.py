"""Hosts in network namespaces with a real BIRD each."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.network.backends.bgp.control import ask
from pilothouse.network.backends.bgp.sessions import session_name
from pilothouse.network.backends.bgp.states import SessionState, states
from tests.network.backends.hosts import Host, Hosts, bird, hosts, run, until


@contextmanager
def speakers(folder: Path, count: int = 2, *, families: str = "4") -> Iterator[Hosts]:
    with hosts(folder, count, families=families) as cluster:
        cluster.set(backend="BGP")
        yield cluster


def pid(host: Host) -> int:
    """Of its BIRD, 0 for none."""
    found = bird(host).running()
    return found.pid if found is not None else 0


def kill(host: Host) -> None:
    os.kill(pid(host), signal.SIGKILL)


def answers(host: Host) -> bool:
    """A BIRD has its pid before it listens at its control socket."""
    return asyncio.run(bird(host).answers())


def session(host: Host, other: Host | str, version: int = 4, *, kind: str = "node") -> SessionState:
    """other: a host, or the name of a BGPPeer, which is of kind "router"."""
    found = states(asyncio.run(bird(host).command("show protocols all")))
    return found[session_name(kind, other if isinstance(other, str) else other.name, version)]


def message(host: Host, condition: str, reason: str) -> str:
    """Of a condition of its Node, once that has the reason."""
    until(lambda: host.conditions.get(condition, {}).get("reason") == reason, f"{reason}: {host.conditions}")
    return str(host.conditions[condition]["message"])


def routes(host: Host) -> str:
    return host.ip("route", "show", "proto", "bird") + host.ip("-6", "route", "show", "proto", "bird")


@contextmanager
def router(folder: Path, cluster: Hosts, *, number: int = 100, as_number: int = 64600, extra: str = "", inside: str = "") -> Iterator[Path]:
    """A router outside, on the hosts' link: a BIRD that takes everything from all of them. extra: configuration. inside: of each session.

    Gives the path of its control socket.
    """
    netns, here = f"{cluster.prefix}r{number}", folder / f"router{number}"
    here.mkdir()
    (here / "bird.conf").write_text(_router(cluster, number, as_number, extra, inside))
    process = None
    try:
        run("ip", "netns", "add", netns)
        wire = f"{cluster.prefix}w"
        run("ip", "-n", wire, "link", "add", f"r{number}", "type", "veth", "peer", "name", "eth0", "netns", netns)
        run("ip", "-n", wire, "link", "set", f"r{number}", "master", "wire0", "up")
        run("ip", "-n", netns, "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
        run("ip", "-n", netns, "address", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
        for link in ("lo", "eth0"):
            run("ip", "-n", netns, "link", "set", link, "up")
        command = ["ip", "netns", "exec", netns, "bird", "-f", "-c", here / "bird.conf", "-s", here / "control"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until((here / "control").exists, "the router runs")
        yield here / "control"
    finally:
        if process is not None:
            process.kill()
            process.wait()
        run("ip", "netns", "delete", netns, check=False)


def _router(cluster: Hosts, number: int, as_number: int, extra: str, inside: str) -> str:
    lines = [f"router id 192.0.2.{number};", "protocol device {}", "protocol direct { ipv4; ipv6; }"]
    lines += [f"protocol kernel {{ ipv{version} {{ export all; }}; }}" for version in (4, 6)]
    lines.append(extra)
    for host in cluster.hosts:
        for address in host.addresses:
            version = 6 if ":" in address else 4
            channel = f"ipv{version} {{ import all; export where source = RTS_STATIC; }};"
            times = "connect delay time 1; connect retry time 1; error wait time 1, 1;"
            head = f"protocol bgp {host.name}v{version} {{ local as {as_number}; neighbor {address} as 64512; direct; {times}"
            lines.append(f"{head} {inside} {channel} }}")
    return "\n".join(lines)


def told(socket: Path) -> dict[str, list[str]]:
    """What the router has heard: by prefix, the lines about it."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for table in ("master4", "master6"):
        for line in asyncio.run(ask(socket, f"show route all where source = RTS_BGP table {table}")):
            first = line.split()[:1]
            if first and "/" in first[0]:
                current = found.setdefault(first[0], [])
            current.append(line.strip())
    return found
