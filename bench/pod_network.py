"""Pod to pod on one host and across two, routed as pods are and through a bridge as versions up to 0.1 joined them; and what joining costs.

Hosts and pods are network namespaces, two hosts are a pair of links apart and have routes to each other's pods: what is measured is the
way of packets through kernels, not a wire. Both ways stand side by side and are measured in turns, with iperf3 (TCP, one connection) and
sockperf (UDP of 64 bytes there and back; a latency is half of that). The bridge has the rules that its versions had. `add` and `del` are
CNI requests as the plug-in makes them, over the socket. Needs root, and Debian's iperf3 and sockperf.
"""

import asyncio
import json
import os
import re
import shutil
import statistics
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from bench.rig.pod_host import SOCKET

NAMES = Path("/run/netns")
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Pod:
    """netns: the name of its namespace. address: its primary one."""

    netns: str
    address: str


@dataclass(frozen=True, slots=True)
class Way:
    """near, far: pods of one host; beyond: one of the other host."""

    near: Pod
    far: Pod
    beyond: Pod


async def run(context: Context) -> Figures:
    if missing := [program for program in ("iperf3", "sockperf", "nft", "ip") if shutil.which(program) is None]:
        raise RuntimeError(f"{', '.join(missing)} not installed")
    seconds, rounds = context.pick(2, 1), context.pick(5, 1)
    async with AsyncExitStack() as stack:
        ways = {kind: await stack.enter_async_context(_way(context, kind)) for kind in ("bridge", "routed")}
        found: dict[tuple[str, str, str], list[float]] = {}
        for number in range(rounds):
            context.say(f"pod to pod, round {number + 1} of {rounds}")
            for kind, way in ways.items():
                for where, to in (("one_host", way.far), ("two_hosts", way.beyond)):
                    found.setdefault((where, kind, "gbit_s"), []).append(await _throughput(way.near, to, seconds))
                    found.setdefault((where, kind, "latency_us"), []).append(await _latency(way.near, to, seconds))
    figures: Figures = {}
    for (where, kind, what), values in found.items():
        figures.setdefault(where, {}).setdefault(kind, {})[what] = round(statistics.median(values), 2)
        figures[where][kind][f"{what}_all"] = [round(value, 2) for value in values]
    for where in ("one_host", "two_hosts"):
        of = figures[where]
        of["throughput_of_bridge"] = round(of["routed"]["gbit_s"] / of["bridge"]["gbit_s"], 3)
        of["latency_added_us"] = round(of["routed"]["latency_us"] - of["bridge"]["latency_us"], 2)
    for name, cidrs in (("ipv4", ["10.250.0.0/20"]), ("ipv4_and_ipv6", ["10.250.0.0/20", "fd00:250::/64"])):
        context.say(f"CNI ADD and DEL, {name}")
        figures[f"cni_{name}"] = await _joining(context, cidrs, context.pick(200, 20))
    return figures


async def _throughput(source: Pod, to: Pod, seconds: int) -> float:
    """Gbit/s that arrive."""
    server = await _start(to.netns, "iperf3", "-s", "-1", "-B", to.address)
    try:
        await _listening(to, 5201, "-t")
        said = json.loads(await _run("ip", "netns", "exec", source.netns, "iperf3", "-J", "-t", str(seconds), "-c", to.address))
        return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9
    finally:
        await _end(server)


async def _latency(source: Pod, to: Pod, seconds: int) -> float:
    """Microseconds of one way, on average."""
    server = await _start(to.netns, "sockperf", "server", "-i", to.address, "-p", "11111")
    try:
        await _listening(to, 11111, "-u")
        ping = ("sockperf", "ping-pong", "-i", to.address, "-p", "11111", "-m", "64", "-t", str(seconds))
        said = await _run("ip", "netns", "exec", source.netns, *ping)
        return float(re.findall(r"Latency is ([0-9.]+) usec", said)[0])
    finally:
        await _end(server)


async def _listening(pod: Pod, port: int, kind: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while f":{port} " not in await _run("ip", "netns", "exec", pod.netns, "ss", "-Hln", kind):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _way(context: Context, kind: str) -> AsyncIterator[Way]:
    """Two hosts with two pods and one."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(_namespace(f"{kind[0]}h{number}")) for number in (1, 2)]
        await _run("ip", "link", "add", "wire", "netns", first, "type", "veth", "peer", "name", "wire", "netns", second)
        pods: list[list[Pod]] = []
        for host, number, count in ((first, 1, 2), (second, 2, 1)):
            other = 3 - number
            names = [await stack.enter_async_context(_namespace(f"{kind[0]}p{number}{each}")) for each in range(count)]
            await _in(host, f"link set lo up\naddress add 192.0.2.{number}/24 dev wire\nlink set wire up\n")
            await _in(host, f"route add 10.250.{other}.0/24 via 192.0.2.{other}\n")
            joined = _bridged if kind == "bridge" else _routed
            pods.append(await joined(stack, context.folder / f"{kind}{number}", host, f"10.250.{number}.0/24", names))
        yield Way(pods[0][0], pods[0][1], pods[1][0])


async def _routed(stack: AsyncExitStack, folder: Path, host: str, cidr: str, names: list[str]) -> list[Pod]:
    await stack.enter_async_context(_pod_host(folder, host, [cidr]))
    answers = [await _request(folder, "ADD", str(number), name) for number, name in enumerate(names)]
    return [Pod(name, answer["ips"][0]["address"].partition("/")[0]) for name, answer in zip(names, answers, strict=True)]


async def _bridged(stack: AsyncExitStack, folder: Path, host: str, cidr: str, names: list[str]) -> list[Pod]:
    base, mac = cidr.removesuffix("0/24"), "0a:58:0a:fa:00:01"
    bridge = f"link add br0 address {mac} type bridge\naddress add {base}1/24 dev br0\nlink set br0 up\n"
    await _in(host, bridge)
    await _run("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.br0.send_redirects=0")
    pods = [Pod(name, f"{base}{number + 2}") for number, name in enumerate(names)]
    senders = []
    for number, pod in enumerate(pods):
        link, own = f"port{number}", f"0a:58:0a:fa:01:0{number}"
        await _in(host, f"link add {link} master br0 up type veth peer name eth0 address {own} netns {pod.netns}\n")
        await _run("ip", "netns", "exec", host, "bridge", "link", "set", "dev", link, "isolated", "on", "learning", "off", "flood", "off")
        await _run("ip", "netns", "exec", host, "bridge", "fdb", "replace", own, "dev", link, "master", "static")
        await _in(host, f"neigh replace {pod.address} lladdr {own} dev br0 nud permanent\n")
        inside = f"link set eth0 up\naddress add {pod.address}/32 dev eth0\nroute add {base}1 dev eth0\nroute add default via {base}1\n"
        await _in(pod.netns, inside)
        senders.append(f'"{link}" . {own} . {pod.address}')
    await _run("ip", "netns", "exec", host, "nft", "-f", "-", stdin=_BRIDGE_RULES.format(base=base, mac=mac, senders=", ".join(senders)))
    return pods


_BRIDGE_RULES = """
table ip pods {{
    set self {{ type ipv4_addr . ipv4_addr; }}
    chain leave {{
        type nat hook postrouting priority 100;
        ip saddr . ip daddr @self masquerade
        oifname "br0" ip saddr 127.0.0.0/8 masquerade
        oifname != "br0" ip saddr {base}0/24 ip daddr != {{ 10.250.0.0/16, 224.0.0.0/4 }} masquerade
    }}
    chain guard {{
        type filter hook prerouting priority -300;
        iifname "br0" ip daddr 127.0.0.0/8 drop
        iifname "br0" ip saddr != {base}0/24 drop
    }}
}}
table bridge pods {{
    set senders {{ type ifname . ether_addr . ipv4_addr; elements = {{ {senders} }} }}
    chain frames {{
        type filter hook prerouting priority -300;
        iifname != {{ "port0", "port1" }} accept
        ether daddr {mac} iifname . ether saddr . ip saddr @senders accept
        arp daddr ip {base}1 iifname . ether saddr . arp saddr ip @senders accept
        ether daddr {mac} iifname . ether saddr . arp saddr ip @senders accept
        drop
    }}
}}
"""


async def _joining(context: Context, cidrs: list[str], count: int) -> Figures:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(_namespace("jh"))
        folder = context.folder / f"joining{len(cidrs)}"
        await stack.enter_async_context(_pod_host(folder, host, cidrs))
        names = [await stack.enter_async_context(_namespace(f"j{number}")) for number in range(count)]
        took: dict[str, list[float]] = {"ADD": [], "DEL": []}
        for command, times in took.items():
            for number, name in enumerate(names):
                began = now()
                await _request(folder, command, str(number), name)
                times.append(now() - began)
    return {command.lower(): latencies(times) for command, times in took.items()}


async def _request(folder: Path, command: str, container: str, netns: str) -> dict[str, list[dict[str, str]]]:
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET)
    arguments = f"K8S_POD_NAMESPACE=bench;K8S_POD_NAME={container}"
    writer.write("\n".join((command, container, str(NAMES / netns), "eth0", arguments, '{"cniVersion": "1.0.0"}')).encode())
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        status, _, answer = (await reader.read()).partition(b" ")
    writer.close()
    if status != b"0":
        raise RuntimeError(f"{command} {container}: {answer.decode()}")
    shown: dict[str, list[dict[str, str]]] = json.loads(answer or b"{}")
    return shown


@asynccontextmanager
async def _pod_host(folder: Path, host: str, cidrs: Iterable[str]) -> AsyncIterator[None]:
    folder.mkdir()
    process = await _start(host, sys.executable, "-m", "bench.rig.pod_host", str(folder), *cidrs, stdin=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (line := await process.stdout.readline()) != b"ready\n":
                if not line:
                    raise RuntimeError("the pod network has ended")
        yield
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await process.communicate()
        finally:
            await _end(process)


@asynccontextmanager
async def _namespace(name: str) -> AsyncIterator[str]:
    full = f"phb{os.getpid()}-{name}"
    await _run("ip", "netns", "add", full)
    try:
        yield full
    finally:
        await _run("ip", "netns", "delete", full)


async def _in(netns: str, commands: str) -> None:
    await _run("ip", "-netns", netns, "-batch", "-", stdin=commands)


async def _start(netns: str, *command: str, stdin: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
    output = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", netns, *command, stdin=stdin, stdout=output, stderr=asyncio.subprocess.DEVNULL
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def _run(*command: str, stdin: str = "") -> str:
    """Raises RuntimeError with what the command says."""
    pipe = asyncio.subprocess.PIPE
    source = pipe if stdin else asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=source, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(DEADLINE_S):
        said, complaint = await process.communicate(stdin.encode() or None)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {complaint.decode().strip() or said.decode().strip()[-300:]}")
    return said.decode()
