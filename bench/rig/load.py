"""wrk, a load generator that is never the limit here, and what it says."""

import re

from bench.rig.figures import Figures
from pilothouse.aio.process import run

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


async def load(url: str, host: str, seconds: int, *, connections: int = 8) -> Figures:
    """Asks for the whole time over kept connections. Raises ProcessFailed, FileNotFoundError without wrk."""
    command = ["wrk", "--latency", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s", "-H", f"Host: {host}", url]
    return parse((await run(command, timeout_s=seconds + 30)).check().stdout.decode())


def parse(text: str) -> Figures:
    """failed: answers that are no 2xx or 3xx, and connections that broke or waited too long. Latencies in milliseconds."""
    requests = re.search(r"(\d+) requests in", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    failed = int(refused[1]) if refused else 0
    failed += sum(int(count) for count in broken.groups()) if broken else 0
    figures: Figures = {"requests": int(requests[1]) if requests else 0, "failed": failed, "per_second": float(rate[1]) if rate else 0.0}
    for name, percent in (("median", "50"), ("p99", "99")):
        found = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
        figures[name] = round(float(found[1]) * _UNITS[found[2]], 2) if found else None
    return figures
