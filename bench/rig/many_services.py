"""The service proxy with many services, alone in a network namespace: `python -m bench.rig.many_services SERVICES`, as root.

`SERVICES:affinity` gives all of them `sessionAffinity: ClientIP`, `SERVICES:ranges` an address and source ranges of their own.

The proxy, its informers and the kernel are real; the API is objects in memory. Prints one JSON object: `start` from the proxy's start to
the rules in the kernel (`start_cpu` the processor's time alone), `change` from an EndpointSlice's event to the rules in it and `change_nft`
the transaction alone, `loop_lag` how late a task of 1 ms came meanwhile, `connect_us` a new TCP connection through a ClusterIP to a pod
beside.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from bench.rig.figures import Figures, latencies, milliseconds, now
from pilothouse.aio import collector
from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.transport import Call, Socket, WatchEvent
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.service import ServiceProxy, ServiceProxyConfig, metrics
from pilothouse.network.service.rules import Outcome

ENDPOINTS = 5
CHANGES = 300
CONNECTS = 2000
POD = "10.244.0.2"
CONFIG = ServiceProxyConfig(
    instance="bench", node="here", local_cidrs=("10.244.0.0/24",), cluster_cidrs=("10.244.0.0/16",), service_cidrs=("10.96.0.0/12",)
)
_CLONE_NEWNET = 0x40000000


class Objects:
    """A transport that lists what is in memory, and hands on one change after another."""

    def __init__(self, kept: dict[str, list[Object]]) -> None:
        self._kept = kept
        self._revision = 1
        self._events: dict[str, asyncio.Queue[WatchEvent]] = {path: asyncio.Queue() for path in kept}

    def change(self, path: str, obj: Object) -> None:
        self._revision += 1
        changed = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._revision)}}
        self._events[path].put_nowait(WatchEvent("MODIFIED", changed))

    async def call(self, call: Call) -> Any:
        return {"items": self._kept.get(call.path, []), "metadata": {"resourceVersion": "1"}}

    @contextlib.asynccontextmanager
    async def watch(self, call: Call) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        yield self._watched(self._events.setdefault(call.path, asyncio.Queue()))

    async def _watched(self, events: "asyncio.Queue[WatchEvent]") -> AsyncIterator[WatchEvent]:
        while True:
            yield await events.get()

    def stream(self, call: Call) -> contextlib.AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotFound("only lists and watches are answered here")

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> contextlib.AbstractAsyncContextManager[Socket]:
        raise NotFound("only lists and watches are answered here")

    async def close(self) -> None:
        return None


def service(number: int, kind: str = "") -> Object:
    address = f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}"
    metadata = {"name": f"s{number}", "namespace": "default", "uid": f"s{number}", "resourceVersion": "1"}
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
    spec: Object = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": [port]}
    balanced: Object = {}
    if kind == "affinity":
        spec["sessionAffinity"] = "ClientIP"
    elif kind == "ranges":
        spec |= {"type": "LoadBalancer", "loadBalancerSourceRanges": [f"10.{number // 256}.{number % 256}.0/24", "192.0.2.0/24"]}
        balanced = {"loadBalancer": {"ingress": [{"ip": f"172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}"}]}}
    return {"metadata": metadata, "spec": spec, "status": balanced}


def endpoints_of(number: int, count: int = ENDPOINTS) -> Object:
    """Of service 0: the pod that answers, alone."""
    labels = {"kubernetes.io/service-name": f"s{number}"}
    metadata = {"name": f"s{number}-x", "namespace": "default", "uid": f"e{number}", "resourceVersion": "1", "labels": labels}
    places = [number * ENDPOINTS + each for each in range(count)]
    addresses = [f"10.244.{1 + place // 250 % 250}.{place % 250 + 1}" for place in places] if number else [POD]
    found = [{"addresses": [address], "nodeName": "there", "conditions": {"ready": True}} for address in addresses]
    ports = [{"name": "http", "protocol": "TCP", "port": 8080}]
    return {"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": found}


class Seen:
    """What the proxy says of its transactions, and how late the loop is."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.lags: list[float] = []
        self._news = asyncio.Event()

    def note(self, outcome: Outcome, took_s: float) -> None:
        self.outcomes.append(outcome)
        self._news.set()

    def expect(self) -> None:
        """The next outcome is waited for, not one that was there."""
        self._news.clear()

    async def next(self) -> Outcome:
        await self._news.wait()
        return self.outcomes[-1]

    async def watch_loop(self) -> None:
        while True:
            began = now()
            await asyncio.sleep(0.001)
            self.lags.append(now() - began - 0.001)


async def measured(count: int, kind: str = "") -> Figures:
    """In the namespace of this thread."""
    objects = Objects(
        {SERVICES.path(): [service(n, kind) for n in range(count)], ENDPOINTSLICES.path(): [endpoints_of(n) for n in range(count)]}
    )
    seen, barrier = Seen(), EndpointBarrier()
    metrics.count = seen.note
    async with scope() as tasks:
        tasks.spawn(seen.watch_loop())
        informers = Informers(Client(objects))
        began = now()
        proxy = ServiceProxy(informers, barrier, CONFIG)
        tasks.spawn(informers.run())
        await informers.wait_synced()
        listed, worked = now(), time.process_time()
        ready = asyncio.Event()
        tasks.spawn(proxy.run(ready))
        await ready.wait()
        figures: Figures = {"lists_ms": milliseconds(listed - began), "start_ms": milliseconds(now() - listed)}
        figures["start_cpu_ms"] = milliseconds(time.process_time() - worked)
        figures["loop_lag_at_start_ms"] = milliseconds(max(seen.lags))
        seen.lags.clear()
        figures |= await changes(objects, seen, count)
        figures["loop_lag_of_changes"] = latencies(seen.lags)
        figures["connect_us"] = round(statistics.median(await asyncio.to_thread(connects)) * 1e6, 1)
        tasks.cancel()
    await asyncio.to_thread(proxy.teardown)
    return figures


async def changes(objects: Objects, seen: Seen, count: int) -> Figures:
    """One endpoint more or less of one service after another, one that every service may be."""
    await asyncio.sleep(0.2)
    took, nft = [], []
    for step in range(CHANGES):
        number = 1 + (step // 2 * 37) % max(count - 1, 1)
        seen.expect()
        began = now()
        objects.change(ENDPOINTSLICES.path(), endpoints_of(number, ENDPOINTS - 1 + step % 2))
        outcome = await seen.next()
        took.append(now() - began)
        nft.append(outcome.nft_s)
        await asyncio.sleep(0.002)
    # The first one of its kind has a chain made.
    return {"change": latencies(took[1:]), "change_nft": latencies(nft[1:])}


def connects() -> list[float]:
    took = []
    for _ in range(CONNECTS):
        with socket.socket() as client:
            began = now()
            client.connect(("10.96.0.0", 80))
            took.append(now() - began)
    return took


@contextlib.contextmanager
def pod() -> Any:
    """Beside this namespace, with a server that takes connections."""
    keeper = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    while os.readlink(f"/proc/{keeper.pid}/ns/net") == os.readlink("/proc/thread-self/ns/net"):
        os.sched_yield()
    inside = ["nsenter", f"--net=/proc/{keeper.pid}/ns/net"]
    server = None
    try:
        run("ip", "link", "add", "pod", "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        run("ip", "address", "add", "10.244.0.1/24", "dev", "pod")
        run("ip", "link", "set", "pod", "up")
        run("ip", "route", "add", "default", "via", POD)
        run(*inside, "ip", "address", "add", f"{POD}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        program = "import socket\ns=socket.create_server(('',8080),backlog=4096)\nprint(flush=True)\nwhile True: s.accept()[0].close()"
        server = subprocess.Popen([*inside, sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert server.stdout is not None
        server.stdout.readline()
        yield
    finally:
        if server is not None and server.stdout is not None:
            server.stdout.close()
        for process in filter(None, (server, keeper)):
            process.kill()
            process.wait()


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace of its own takes root's rights")
    run("ip", "link", "set", "lo", "up")
    # As in the node's process.
    collector.restrain()
    with pod():
        print(json.dumps({asked: asyncio.run(measured(*_asked(asked))) for asked in sys.argv[1:]}))


def _asked(text: str) -> tuple[int, str]:
    count, _, kind = text.partition(":")
    return int(count), kind


if __name__ == "__main__":
    main()
