"""The images of the charts, made from Debian's packages as stand-ins are, and pushed into an instance's registry.

Their users have the ids that public charts expect (1001), and their programs are found where those of public images are.
"""

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pilothouse.oci.registry import Registry
from pilothouse.platform.builds.bases import suite
from pilothouse.platform.builds.stand_ins.bootstrap import bootstrap
from pilothouse.platform.builds.stand_ins.recipes import PATH, Recipe, recipe
from tests.e2e.charts.cache import cached

_USER = 'chroot "$1" useradd --uid 1001 --gid 0 --no-create-home --home-dir / --shell /bin/sh app'
"""A name for the user that charts run as: initdb and Erlang want one."""


def _of(family: str, variant: str = "") -> Recipe:
    found = recipe(family, variant, suite())
    assert found is not None, family
    return replace(found, hooks=(*found.hooks, _USER))


def _recipes() -> dict[str, Recipe]:
    broker = Recipe(("rabbitmq-server", "curl"), (_USER,), {"Entrypoint": ["rabbitmq-server"]})
    agent = Recipe(("rsyslog",), (_USER,), {"Entrypoint": ["rsyslogd"], "Cmd": ["-n"]})
    return {
        "redis": _of("redis"),
        "postgresql": _of("postgres"),
        "rabbitmq": broker,
        "rsyslog": agent,
        "python": _of("python", "slim"),
    }


def rootfs(name: str) -> tuple[Path, Recipe]:
    """The image's files as a tar, and its recipe; made once."""
    chosen = _recipes()[name]
    key = hashlib.sha256(f"{suite()} {chosen}".encode()).hexdigest()[:16]
    return cached(f"{name}-{key}.tar", lambda path: asyncio.run(_make(chosen, path))), chosen


async def _make(chosen: Recipe, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ph-charts-") as scratch:
        made = Path(scratch) / "rootfs.tar"  # mmdebstrap goes by the end of the name
        await bootstrap(chosen, suite=suite(), host=suite(), rootfs=made, scratch=Path(scratch))
        shutil.move(made, path)


def push(registry: str, name: str, *tags: str) -> None:
    """`REGISTRY/charts/NAME:TAG` for each tag; containers see theirs as the variable IMAGE_TAG, so no two are the same image."""
    files, chosen = rootfs(name)

    async def push_all() -> None:
        async with Registry(registry) as target:
            for tag in tags:
                environment = [f"PATH={PATH}", "LANG=C.UTF-8", *chosen.config.get("Env", ()), f"IMAGE_TAG={tag}"]
                await target.push_image(f"charts/{name}", tag, files, {**chosen.config, "Env": environment})

    asyncio.run(push_all())
