"""From source code to a URL with `examples/guestbook`: first deployment, a changed source with warm layers, a rolling update under load.

`first` holds everything that a fresh instance makes once (base images from the distribution's packages, the builder); `warm` is what a
developer waits for after each edit, the median of several. Each runs until the new page answers through the gateway. For `update`,
wrk asks all the time while two replicas are replaced one by one; failed requests must be 0.
"""

import asyncio
import shutil
from pathlib import Path

from bench.rig.asking import until_answer
from bench.rig.context import Context
from bench.rig.figures import Figures, latencies, milliseconds, now
from bench.rig.instance import Instance
from bench.rig.load import load
from pilothouse.aio.tasks import scope

EXAMPLE = Path(__file__).parents[1] / "examples" / "guestbook"
NAME = "guestbook"
HOST = f"{NAME}.localhost"
DEPLOY_S = 900.0
LEAD_S = 1.0


async def run(context: Context) -> Figures:
    if context.quick:
        return {"skipped": "making the base images alone takes over a minute: leave out --quick"}
    source = context.folder / NAME
    shutil.copytree(EXAMPLE, source)
    async with context.instance(platform=True) as instance:
        context.say("first deployment")
        first = await deploy(instance, source)
        warm = []
        for number in range(3):
            context.say(f"deployment of a changed source, {number + 1}")
            change(source, number)
            warm.append(await deploy(instance, source))
        context.say("rolling update under load")
        update = await update_under_load(instance, source)
    return {"first_deploy_ms": milliseconds(first), "warm_deploy": latencies(warm), "update_under_load": update}


def change(source: Path, number: int) -> None:
    """A comment more at the end of the application: the layers of its dependencies stay as they are."""
    application = next(iter(sorted(source.glob("*.py"))))
    application.write_text(f"{application.read_text()}\n# edit {number}\n")


async def deploy(instance: Instance, source: Path, *options: str) -> float:
    """Seconds until the command has returned and the URL answers 200."""
    began = now()
    await instance.ph("deploy", str(source), *options, timeout_s=DEPLOY_S)
    return await until_answer("127.0.0.1", instance.settings.http_port, host=HOST) - began


async def update_under_load(instance: Instance, source: Path, seconds: int = 20) -> Figures:
    """A changed environment variable: no build, a new revision of every replica."""
    await deploy(instance, source, "--replicas", "2")
    url = f"http://127.0.0.1:{instance.settings.http_port}/"
    async with scope() as tasks:
        asked = tasks.spawn(load(url, HOST, seconds))
        await asyncio.sleep(LEAD_S)
        took = await deploy(instance, source, "--env", "BENCH_REVISION=2")
        figures = await asked
    return {**figures, "rollout_ms": milliseconds(took), "under_load_all_the_time": took + LEAD_S < seconds}
