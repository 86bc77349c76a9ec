"""Hosts in network namespaces with a real BIRD each; all of them end with the test."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.network.backends.bgp.process import Bird
from pilothouse.network.backends.bgp.sessions import session_name
from pilothouse.network.backends.bgp.states import SessionState, states
from pilothouse.network.backends.config import BackendConfig
from tests.network.backends.hosts import FAMILIES, INSTANCE, Host, Hosts, hosts


def bird(host: Host) -> Bird:
    return Bird(BackendConfig(instance=INSTANCE, node=host.name, cluster_cidrs=FAMILIES[host.families], state=host.state))


@contextmanager
def speakers(folder: Path, count: int = 2, *, families: str = "4") -> Iterator[Hosts]:
    with hosts(folder, count, families=families) as cluster:
        cluster.set(backend="BGP")
        try:
            yield cluster
        finally:
            cluster.close()
            for host in cluster.hosts:
                asyncio.run(bird(host).end())


def pid(host: Host) -> int:
    """Of its BIRD, 0 for none."""
    found = bird(host).running()
    return found.pid if found is not None else 0


def kill(host: Host) -> None:
    os.kill(pid(host), signal.SIGKILL)


def session(host: Host, other: Host, version: int = 4) -> SessionState:
    found = states(asyncio.run(bird(host).command("show protocols all")))
    return found[session_name("node", other.name, version)]


def routes(host: Host) -> str:
    return host.ip("route", "show", "proto", "bird") + host.ip("-6", "route", "show", "proto", "bird")
