"""Names of the cluster as pods ask for them, of one server on one core, and how soon a new Service has one.

dnsperf (Debian) asks over loopback, from another core, for names of 1,000 Services in both families: as fast as it gets answers, and
20,000 a second. A third run asks for names that are all different and that nobody has asked for, which no kept answer helps.
`new_name` is from the moment at which the API had taken the Service until its name was answered, all in one process. `new_name_of_a_node`
is the whole way: the API server and the node's DNS server are processes of their own, and the time begins when the answer to the write
is there; `new_name_of_a_busy_node` is the same while somebody asks it 5,000 questions a second.
"""

import asyncio
import contextlib
import os
import random
import re
import shutil
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from bench.rig.alone import api_alone
from bench.rig.context import Context
from bench.rig.dns_node import dns_node, own_address
from bench.rig.figures import Figures, latencies, now
from bench.rig.instance import free_ports
from bench.rig.raw import Connection
from pilothouse.model.json import dumps
from pilothouse.model.kinds import SERVICES as SERVICES_KIND
from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import name_of

SERVICES, ASKED = 1000, 20_000
LOOPBACK = "127.0.0.1"
BUSY, BUSY_S = 5000, 15
PAUSE_S = 0.0005
"""Between two questions of who waits for a name, so that asking does not hold up what is measured."""
_LATENCY = re.compile(r"^> \w+ \S+ \w+ ([0-9.]+)$", re.MULTILINE)
_RATE = re.compile(r"Queries per second:\s+([0-9.]+)")
_LOST = re.compile(r"Queries lost:\s+(\d+)")


async def run(context: Context) -> Figures:
    if shutil.which("dnsperf") is None:
        raise RuntimeError("dnsperf is not installed (Debian: apt-get install dnsperf)")
    folder = context.folder / "dns"
    folder.mkdir()
    known, unknown = folder / "known", folder / "unknown"
    seconds = context.pick(10, 2)
    known.write_text("".join(f"s{random.randrange(SERVICES)}.{ORIGIN} {type_}\n" for _ in range(ASKED // 2) for type_ in ("A", "AAAA")))
    unknown.write_text("".join(f"x{number}.{ORIGIN} A\n" for number in range(400_000)))
    async with _serving(folder) as (process, port):
        context.say("as fast as answers come")
        fastest = await _dnsperf(port, known, seconds)
        context.say("20,000 a second")
        steady = await _dnsperf(port, known, seconds, "-Q", "20000", "-v")
        context.say("names that nobody has asked for")
        new = await _dnsperf(port, unknown, seconds)
        context.say("Service -> name")
        appeared = [await _appear(process, port, f"new{number}") for number in range(context.pick(100, 10))]
    context.say("Service -> name, between processes")
    quiet, busy = await _between_processes(folder, known, context.pick(100, 10))
    new_names = {"new_name": latencies(appeared), "new_name_of_a_node": latencies(quiet), "new_name_of_a_busy_node": latencies(busy)}
    return {"known_names": fastest, "known_names_at_20000": steady, "unknown_names": new, **new_names}


ORIGIN = "default.svc.cluster.local"


@contextlib.asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[tuple[Process, int]]:
    arguments = (sys.executable, "-m", "bench.rig.dns_server", str(folder), str(SERVICES))
    process = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _dnsperf(port: int, questions: Path, seconds: int, *more: str, address: str = LOOPBACK) -> Figures:
    core = str(max(os.sched_getaffinity(0)))
    command = (
        "taskset",
        "-c",
        core,
        "dnsperf",
        "-s",
        address,
        "-p",
        str(port),
        "-d",
        str(questions),
        "-l",
        str(seconds),
        "-c",
        "8",
        *more,
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    text = (await process.communicate())[0].decode()
    figures: Figures = {"per_second": round(float(_found(_RATE, text))), "lost": int(_found(_LOST, text))}
    took = [float(each) for each in _LATENCY.findall(text)]
    return figures | latencies(took) if took else figures


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise RuntimeError(f"dnsperf: {text[-200:]}")
    return match[1]


async def _between_processes(folder: Path, questions: Path, count: int) -> tuple[list[float], list[float]]:
    """Seconds, of a node that nobody else asks anything, and of one that is asked all the time."""
    (port,), address = free_ports(1), own_address()
    async with api_alone(folder / "api") as api, dns_node(folder / "api", address, port):
        writer = await Connection.connect(api.endpoint)
        try:
            for number in range(SERVICES):
                await _write(writer, f"s{number}")
            quiet = [await _written_and_answered(writer, address, port, f"quiet{number}") for number in range(count)]
            asking = asyncio.ensure_future(_dnsperf(port, questions, BUSY_S, "-Q", str(BUSY), address=address))
            busy = [await _written_and_answered(writer, address, port, f"busy{number}") for number in range(count)]
            await asking
        finally:
            writer.close()
    return quiet, busy


async def _written_and_answered(writer: Connection, address: str, port: int, name: str) -> float:
    asking = asyncio.ensure_future(asyncio.to_thread(_until_answered, address, port, f"{name}.{ORIGIN}", PAUSE_S))
    await asyncio.sleep(random.uniform(0.01, 0.03))
    await _write(writer, name)
    taken = now()
    return max(await asking - taken, 0.0)


async def _write(writer: Connection, name: str) -> None:
    service = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    await writer.request("POST", SERVICES_KIND.path("default"), dumps(service))


async def _appear(process: Process, port: int, name: str) -> float:
    """Seconds; the name is asked for all the time, as by a client that waits for its service."""
    assert process.stdin is not None
    assert process.stdout is not None
    asking = asyncio.ensure_future(asyncio.to_thread(_until_answered, LOOPBACK, port, f"{name}.{ORIGIN}"))
    await asyncio.sleep(random.uniform(0.01, 0.03))
    process.stdin.write(f"{name}\n".encode())
    taken = float(await process.stdout.readline())
    return max(await asking - taken, 0.0)


def _until_answered(address: str, port: int, name: str, pause_s: float = 0.0) -> float:
    """When the first answer came that has an address; pause_s: between two questions."""
    question = codec.query(name_of(name), codec.A, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect((address, port))
        while True:
            asker.send(question)
            answer = asker.recv(512)
            if codec.parse_reply(answer).answers:
                return now()
            time.sleep(pause_s)
