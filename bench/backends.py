"""Packets from a pod to one of another host by each back end, beside plain routing, in one run.

Two hosts are network namespaces on a bridge, each with a pod behind a veth pair and the node's real back ends as a process. Of every round
each way is measured once, in turn: throughput with iperf3 (TCP, one connection), round trips with sockperf ping-pong (UDP, 64 bytes;
sockperf gives half a round trip). `plain` are routes made by hand, without an agent. `share_of_plain` and `added_us` compare medians.
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.rig.context import Context
from bench.rig.figures import Figures
from pilothouse.model.cluster_network import BGP, ROUTES, VXLAN
from tests.network.backends.hosts import Host, Hosts, hosts, reaches, until

PLAIN = "plain"
IPERF_PORT, SOCKPERF_PORT = 5201, 11111


async def run(context: Context) -> Figures:
    return await asyncio.to_thread(measure, context)


def measure(context: Context) -> Figures:
    rounds, seconds = context.pick(5, 1), context.pick(2, 1)
    ways = [PLAIN, ROUTES, VXLAN, *([BGP] if shutil.which("bird") or shutil.which("/usr/sbin/bird") else [])]
    throughput: dict[str, list[float]] = {way: [] for way in ways}
    latency: dict[str, list[float]] = {way: [] for way in ways}
    changes: dict[str, list[float]] = {}
    with hosts(context.folder) as cluster, serving(cluster.hosts[1]):
        client, server = cluster.hosts
        for number in range(rounds):
            for way in ways:
                context.say(f"round {number + 1} of {rounds}: {way}")
                took_s = choose(cluster, way)
                changes.setdefault(way, []).append(took_s)
                throughput[way].append(gbits(client, server, seconds))
                latency[way].append(half_round_trip_us(client, server, seconds))
    figures: Figures = {way: _figures(way, throughput, latency) for way in ways}
    settled = {way: round(statistics.median(found), 3) for way, found in changes.items() if way != PLAIN}
    return {**figures, "seconds_until_every_node_follows": settled, "rounds": rounds}


def _figures(way: str, throughput: dict[str, list[float]], latency: dict[str, list[float]]) -> Figures:
    rate, delay = statistics.median(throughput[way]), statistics.median(latency[way])
    found: Figures = {
        "gbit_s": round(rate, 2),
        "half_round_trip_us": round(delay, 2),
        "gbit_s_each": throughput[way],
        "us_each": latency[way],
    }
    if way != PLAIN:
        found["share_of_plain"] = round(rate / statistics.median(throughput[PLAIN]), 3)
        found["added_us"] = round(delay - statistics.median(latency[PLAIN]), 2)
    return found


def choose(cluster: Hosts, way: str) -> float:
    """How long it took until both hosts followed; for plain routing the agents are ended and their routes replaced."""
    began = time.monotonic()
    if way == PLAIN:
        for host, other in (cluster.hosts, reversed(cluster.hosts)):
            if host.process is not None:
                cluster.kill(host)
            host.ip("route", "replace", other.cidrs[0], "via", other.addresses[0])
    else:
        cluster.set(backend=way)
        for host in cluster.hosts:
            if host.process is None:
                cluster.start(host)
        until(cluster.settled, f"both follow {way}", within_s=30)
    took_s = time.monotonic() - began
    first, second = cluster.hosts
    until(lambda: reaches(first, second), "a datagram comes through", within_s=30)
    for host in cluster.hosts:
        # A connection begins with the size that fits: pods' links are held to it.
        size = "1450" if way == VXLAN else "1500"
        for command in (
            ("ip", "-n", host.netns, "link", "set", "pod", "mtu", size),
            ("ip", "-n", host.pod_netns, "link", "set", "eth0", "mtu", size),
        ):
            subprocess.run(command, check=True)
    return took_s


@contextmanager
def serving(host: Host) -> Iterator[None]:
    inside = ["ip", "netns", "exec", host.pod_netns]
    commands = (["iperf3", "-s", "-p", str(IPERF_PORT)], ["sockperf", "server", "-i", host.pod(), "-p", str(SOCKPERF_PORT)])
    servers = [subprocess.Popen([*inside, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    time.sleep(0.5)
    try:
        yield
    finally:
        for server in servers:
            server.kill()
            server.wait()


def gbits(client: Host, server: Host, seconds: int) -> float:
    done = client.in_pod("iperf3", "-c", server.pod(), "-p", str(IPERF_PORT), "-t", str(seconds), "-J")
    return round(float(json.loads(done)["end"]["sum_received"]["bits_per_second"]) / 1e9, 3)


def half_round_trip_us(client: Host, server: Host, seconds: int) -> float:
    words = ["-i", server.pod(), "-p", str(SOCKPERF_PORT), "-t", str(seconds), "-m", "64"]
    done = client.in_pod("sockperf", "ping-pong", *words)
    found = re.search(r"avg-latency=([\d.]+)|percentile 50\.000 = +([\d.]+)|Latency is ([\d.]+) usec", done)
    median = re.search(r"percentile 50\.000 = +([\d.]+)", done)
    chosen = median or found
    assert chosen is not None, done
    return float(next(each for each in chosen.groups() if each))
