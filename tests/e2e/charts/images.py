"""The images of the charts, made from Debian's packages as stand-ins are, and pushed into an instance's registry.

Their users have the ids that public charts expect (1001), and their programs are found where those of public images are.
"""

import asyncio
import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from pilothouse.oci.packages.bootstrap import rootfs_of
from pilothouse.oci.packages.recipe import Recipe
from pilothouse.oci.packages.release import suite
from pilothouse.oci.registry import Registry
from pilothouse.platform.builds.stand_ins.recipes import VERSIONS, recipe
from tests.e2e.charts.cache import cached

_USER = 'chroot "$1" useradd --uid 1001 --gid 0 --no-create-home --home-dir / --shell /bin/sh app'
"""A name for the user that charts run as: initdb and Erlang want one."""
_OPERATOR = ("python3", "-m", "kopf", "run", "-m", "dask_kubernetes.operator.controller")


@dataclass(frozen=True)
class Image:
    """requirements: packages of PyPI in it, with their versions, as pip reads them."""

    recipe: Recipe
    requirements: str = ""


def _of(family: str, variant: str = "") -> Recipe:
    found = recipe(family, variant, suite())
    assert found is not None, family
    return replace(found, hooks=(*found.hooks, _USER))


def _images() -> dict[str, Image]:
    broker = Recipe(("rabbitmq-server", "curl"), (_USER,), {"Entrypoint": ["rabbitmq-server"]})
    agent = Recipe(("rsyslog",), (_USER,), {"Entrypoint": ["rsyslogd"], "Cmd": ["-n"]})
    python = _of("python", "slim")
    operator = replace(python, config={"Entrypoint": list(_OPERATOR), "User": "1001"})
    return {
        "redis": Image(_of("redis")),
        "postgresql": Image(_of("postgres")),
        "rabbitmq": Image(broker),
        "rsyslog": Image(agent),
        "python": Image(python),
        "dask-operator": Image(operator, Path(__file__).with_name("dask-operator.txt").read_text()),
    }


def rootfs(name: str) -> tuple[Path, Recipe]:
    """The image's files as a tar, and its recipe; made once."""
    chosen = _images()[name]
    key = hashlib.sha256(f"{suite()} {chosen}".encode()).hexdigest()[:16]
    return cached(f"{name}-{key}.tar", lambda path: asyncio.run(_make(chosen, path))), chosen.recipe


async def _make(chosen: Image, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ph-charts-") as scratch:
        hooks = _python_packages(chosen.requirements, Path(scratch)) if chosen.requirements else ()
        wanted = replace(chosen.recipe, hooks=(*chosen.recipe.hooks, *hooks))
        async with rootfs_of(wanted, suite(), Path(scratch)) as made:
            shutil.move(made, path)


def _python_packages(requirements: str, scratch: Path) -> tuple[str, ...]:
    """Fetches them for the image's Python, which need not be the one that runs the tests; the hooks put them into the image."""
    version, folder, stated = VERSIONS[suite()]["python"], scratch / "site", scratch / "requirements.txt"
    stated.write_text(requirements)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--target", str(folder)]
    options += ["--only-binary", ":all:", "--python-version", version]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "-r", str(stated)], check=True, timeout=300)
    target = f"/usr/local/lib/python{version}/dist-packages"
    # By their hash: the times of all files of an image are the same.
    compiled = f'chroot "$1" python3 -m compileall -q -j 2 --invalidation-mode unchecked-hash {target} || true'
    return (f'mkdir -p "$1"{target} && cp -r {folder}/. "$1"{target}', compiled)


def push(registry: str, name: str, *tags: str) -> None:
    """`REGISTRY/charts/NAME:TAG` for each tag; containers see theirs as the variable IMAGE_TAG, so no two are the same image."""
    files, chosen = rootfs(name)

    async def push_all() -> None:
        async with Registry(registry) as target:
            for tag in tags:
                config = chosen.image_config()
                await target.push_image(f"charts/{name}", tag, files, {**config, "Env": [*config["Env"], f"IMAGE_TAG={tag}"]})

    asyncio.run(push_all())
