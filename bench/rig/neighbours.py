"""What an instance that works as hard as it may costs those beside it on the same node.

Some of many idle instances are asked for one row at a time, in windows: one without the noise, one with it, again and again, so that what
else the machine does meets both. The ratio is the median over the pairs of windows of the p99 with the noise to the p99 without. `resize`
is the same while CPU and memory of the noisy one change back and forth under work.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

from bench.rig import noise, probes
from bench.rig.context import Context
from bench.rig.database import Database
from bench.rig.figures import Figures, latencies, percentile
from bench.rig.writers import Plan, now
from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client

PROBED = 4
"""Of the neighbours."""
THINK_S = 0.01
SETTLE_S = 1.0
"""At the beginning of a window, which does not count."""
RESIZED_EACH_S = 2.0
AMOUNTS = (("1000m", "512Mi"), ("500m", "384Mi"))
ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Window:
    began: float
    ended: float
    is_noisy: bool


async def neighbours(context: Context, client: Client) -> Figures:
    count, rounds = context.pick(20, 4), context.pick(8, 2)
    loud = Database(client, "loud", context.folder)
    quiet = [Database(client, f"quiet-{number}", context.folder) for number in range(count - 1)]
    await loud.create(cpu="500m", memory="384Mi", size="1Gi")
    await made(quiet)
    await loud.until_well()
    figures: Figures = {"instances": count}
    async with probed(quiet[:PROBED]) as plans:
        of_loud = replace(await loud.plan("unused"), read_s=ANSWER_S)
        for name, kind in noise.KINDS.items():
            context.say(f"neighbours of one that makes noise: {name}")
            figures[name] = await compared(context, plans, 1 if name == "full" else rounds, of_loud, kind)
            if name == "writes":
                context.say("neighbours of one that is resized")
                figures["resize"] = await compared(context, plans, rounds, of_loud, noise.KINDS["cpu"], resized=loud)
    for each in (loud, *quiet):
        await each.delete()
    return figures


async def made(databases: Sequence[Database]) -> None:
    for each in databases:
        await each.create(cpu="100m", memory="256Mi")
    for each in databases:
        await each.until_well()


@asynccontextmanager
async def probed(databases: Sequence[Database]) -> AsyncIterator[list[Plan]]:
    plans = [await each.plan(f"probes-{each.name}", think_s=THINK_S) for each in databases]
    for plan in plans:
        await asyncio.to_thread(probes.prepare, plan)
    with probes.probing(plans):
        yield plans


async def compared(
    context: Context, plans: Sequence[Plan], rounds: int, loud: Plan, kind: noise.Noise, *, resized: Database | None = None
) -> Figures:
    seconds, windows = context.pick(10, 6), []
    for _ in range(rounds):
        for is_noisy in (False, True):
            doing: AbstractContextManager[None] = noise.making(loud, kind) if is_noisy and resized is None else nullcontext()
            async with scope() as tasks:
                if is_noisy and resized is not None:
                    tasks.spawn(_resized(resized))
                # What begins and ends the noise waits for its sessions.
                await asyncio.to_thread(doing.__enter__)
                began = now() + SETTLE_S
                await asyncio.sleep(SETTLE_S + seconds)
                windows.append(Window(began, now(), is_noisy))
                await asyncio.to_thread(doing.__exit__, None, None, None)
                tasks.cancel()
    return figures_of(windows, await asyncio.to_thread(probes.queries, plans))


async def _resized(database: Database) -> None:
    """Back and forth until it is cancelled."""
    while True:
        for cpu, memory in AMOUNTS:
            await database.ask(resources={"cpu": cpu, "memory": memory})
            await asyncio.sleep(RESIZED_EACH_S)


def figures_of(windows: Sequence[Window], queries: Sequence[probes.Query]) -> Figures:
    """windows: in pairs, the one without noise first. Queries count for the window in which they began. Pure."""
    took = [sorted(each.ended - each.began for each in queries if window.began <= each.began < window.ended) for window in windows]
    pairs = [(percentile(quiet, 0.99), percentile(loud, 0.99)) for quiet, loud in zip(took[::2], took[1::2], strict=True) if quiet and loud]
    of = {False: [each for found in took[::2] for each in found], True: [each for found in took[1::2] for each in found]}
    failed = sum(bool(each.error) for each in queries if any(window.began <= each.began < window.ended for window in windows))
    ratio = round(statistics.median(loud / quiet for quiet, loud in pairs), 3) if pairs else None
    return {"without": latencies(of[False]), "with": latencies(of[True]), "p99_ratio": ratio, "failed": failed}
