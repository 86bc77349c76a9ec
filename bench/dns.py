"""Names of the cluster as pods ask for them, of one server on one core, and how soon a new Service has one.

dnsperf (Debian) asks over loopback, from another core, for names of 1,000 Services in both families: as fast as it gets answers, and
20,000 a second. A third run asks for names that are all different and that nobody has asked for, which no kept answer helps.
`new_name` is from the moment at which the API had taken the Service until its name was answered.
"""

import asyncio
import contextlib
import os
import random
import re
import shutil
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, now
from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import name_of

SERVICES, ASKED = 1000, 20_000
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
    return {"known_names": fastest, "known_names_at_20000": steady, "unknown_names": new, "new_name": latencies(appeared)}


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


async def _dnsperf(port: int, questions: Path, seconds: int, *more: str) -> Figures:
    core = str(max(os.sched_getaffinity(0)))
    command = (
        "taskset",
        "-c",
        core,
        "dnsperf",
        "-s",
        "127.0.0.1",
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


async def _appear(process: Process, port: int, name: str) -> float:
    """Seconds; the name is asked for all the time, as by a client that waits for its service."""
    assert process.stdin is not None
    assert process.stdout is not None
    asking = asyncio.ensure_future(asyncio.to_thread(_until_answered, port, f"{name}.{ORIGIN}"))
    await asyncio.sleep(random.uniform(0.01, 0.03))
    process.stdin.write(f"{name}\n".encode())
    taken = float(await process.stdout.readline())
    return max(await asking - taken, 0.0)


def _until_answered(port: int, name: str) -> float:
    """When the first answer came that has an address."""
    question = codec.query(name_of(name), codec.A, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect(("127.0.0.1", port))
        while True:
            asker.send(question)
            answer = asker.recv(512)
            if codec.parse_reply(answer).answers:
                return now()
