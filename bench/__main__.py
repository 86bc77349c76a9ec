"""Runs the chosen benchmarks one after another and prints what they found as one JSON object.

A benchmark that fails is told in its place and the others go on; the exit code is then 1. Ctrl-C removes what is there and ends with 130.
"""

import asyncio
import importlib
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.rig import machine
from bench.rig.choice import Choice, parse
from bench.rig.context import Context, last_line
from bench.rig.figures import Figures, now

DEADLINE_S = 3600.0
"""For one benchmark; each is over long before."""


async def measure(context: Context, choice: Choice) -> Figures:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    figures: Figures = {}
    for name in choice.names:
        context.say(f"== {name}")
        context.parts = choice.parts.get(name, ())
        figures[name] = await one(context, name)
    return figures


async def one(context: Context, name: str) -> Figures:
    """Its figures, how long it took and how many cores the whole machine had busy meanwhile."""
    began, cpu = now(), machine.cpu_seconds()
    try:
        async with asyncio.timeout(DEADLINE_S):
            found: Figures = await importlib.import_module(f"bench.{name}").run(context)
    except Exception as error:
        first = first_error(error)
        text = f"{type(first).__name__}: {last_line(str(first))}"
        context.say(f"{name} failed: {text}")
        found = {"error": text}
    return {**found, "took_s": round(now() - began, 1), "busy_cores": machine.busy_cores(cpu, machine.cpu_seconds())}


def first_error(error: BaseException) -> BaseException:
    """The first plain exception in a nest of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> int:
    choice = parse(sys.argv[1:])
    before = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "quick": choice.quick,
        "machine": machine.facts(),
        "load_before": machine.load(),
    }
    folder = Path(tempfile.mkdtemp(prefix="ph-bench-", dir=choice.folder))
    context = Context(folder, choice.quick)
    try:
        figures = uvloop.run(measure(context, choice))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; what was started is removed", file=sys.stderr)
        return 130
    finally:
        leave(context)
    print(json.dumps({**before, "load_after": machine.load(), "leftovers": context.leftovers, **figures}, indent=1))
    return 1 if context.leftovers or any("error" in found for found in figures.values()) else 0


def leave(context: Context) -> None:
    """Remove the folder, unless an instance in it could not be destroyed: what it has mounted must not be emptied."""
    if context.leftovers:
        print(f"left behind: {'; '.join(context.leftovers)}; try `ph --home HOME destroy`", file=sys.stderr)
        return
    shutil.rmtree(context.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
