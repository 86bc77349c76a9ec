"""Bring an instance up, run the specs that have no result yet, write table and junit file, destroy the instance.

docs/conformance.md says how it is used and what came out.
"""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import click

from bench.rig.instance import Instance, destroy, planned
from pilothouse.cli.settings.home import Home
from pilothouse.engine.node.images.archive import load_archive
from tests.conformance import images
from tests.conformance.specs import FAILED, Results, chosen, is_serial
from tests.conformance.suite import Suite
from tests.conformance.table import BEGIN, BEGIN_DUAL_STACK, failures, not_run, put, table, write_junit

IPV6 = {"--pod-cidr": "fd00:10:244::/56", "--service-cidr": "fd00:10:96::/112"}
BATCH = 200
"""Specs of one run of the program: its start takes seconds, and what a run that was ended had not finished runs again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """seconds: after which no further run of the program begins, and one that goes on is ended."""

    focus: str
    skip: str
    again: bool
    workers: int
    seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--focus", default=r"\[Conformance\]", show_default=True, help="Regular expression of the specs to run.")
@click.option("--skip", default="", help="Regular expression of specs to leave out.")
@click.option("--again", is_flag=True, help="Also those that have a result already.")
@click.option("--failed", is_flag=True, help="Those that failed the last time, again.")
@click.option("--workers", default=6, show_default=True, type=click.IntRange(1, 32), help="Specs side by side.")
@click.option("--seconds", default=14400.0, show_default=True, help="When to stop, with what is missing left to the next call.")
@click.option("--nodes", default=2, show_default=True, type=click.IntRange(1, 5), help="Nodes of the instance.")
@click.option("--home", default=Path("/var/tmp/pilothouse-conformance"), type=Path, show_default=True, help="Home of the instance.")
@click.option("--keep", is_flag=True, help="Leave the instance running; the next call uses it.")
@click.option("--dual-stack", is_flag=True, help="On an instance with networks of both IP families; its results are kept by themselves.")
@click.option("--junit", type=Path, help="A junit file of all results so far.")
@click.option("--table", "table_file", type=Path, help="A Markdown file for the table and what failed, between its marks.")
@click.option("--cache", type=Path, required=True, hidden=True)
def main(
    focus: str,
    skip: str,
    again: bool,
    failed: bool,
    workers: int,
    seconds: float,
    nodes: int,
    home: Path,
    keep: bool,
    dual_stack: bool,
    junit: Path | None,
    table_file: Path | None,
    cache: Path,
) -> None:
    """Run upstream's end-to-end suite against an instance made for it."""
    # A spec that passed with one IP family has said nothing of two.
    results = Results(cache / ("results-dual-stack.json" if dual_stack else "results.json"))
    if failed:
        again, focus = True, "|".join(_exactly(each.spec) for each in results.by_spec.values() if each.state == FAILED) or "$^"
    specs = asyncio.run(_run(Wanted(focus, skip, again, workers, seconds), results, cache, home, nodes, keep, dual_stack))
    found = list(results.by_spec.values())
    if junit is not None:
        write_junit(junit, found)
    text = f"{table(found)}\n\n{failures(found)}\n{not_run(specs, results.by_spec)}\n"
    if table_file is not None:
        put(table_file, text, BEGIN_DUAL_STACK if dual_stack else BEGIN)
    click.echo(text)


async def _run(wanted: Wanted, results: Results, cache: Path, home: Path, nodes: int, keep: bool, dual_stack: bool) -> list[str]:
    """All specs that there are."""
    end = time.monotonic() + wanted.seconds
    instance = _instance(home, dual_stack=dual_stack)
    try:
        await _start(instance, cache, nodes)
        work = cache / "work"
        work.mkdir(exist_ok=True)
        suite = Suite(cache / "bin", work, instance.home.kubeconfig, 1 + len(instance.home.further()))
        there = await suite.specs()
        specs = [spec for spec in chosen(there, wanted.focus, wanted.skip) if wanted.again or spec not in results.by_spec]
        click.echo(f"{len(specs)} specs to run", err=True)
        for serial in (False, True):
            await _in_batches(suite, [spec for spec in specs if is_serial(spec) is serial], 1 if serial else wanted.workers, results, end)
        return there
    finally:
        if not keep:
            click.echo(await destroy(instance), err=True)


def _instance(home: Path, *, dual_stack: bool) -> Instance:
    """The one that is there, or one to be made. Raises ClickException when the one that is there has other networks."""
    if not (home / "settings.json").exists():
        made = planned(home, platform=False)
        return replace(made, options=tuple(_with_ipv6(made.options))) if dual_stack else made
    there = Instance(Home(home), ())
    if ("," in there.settings.pod_cidr) is not dual_stack:
        has, way = ("one IP family", "leave out") if dual_stack else ("both IP families", "add")
        raise click.ClickException(
            f"the instance of {home} has networks of {has}: {way} --dual-stack, or destroy it: ph --home {home} destroy"
        )
    return there


def _with_ipv6(options: Sequence[str]) -> Iterator[str]:
    """With networks of the other family beside those of the instance."""
    for before, each in pairwise(("", *options)):
        yield f"{each},{IPV6[before]}" if before in IPV6 else each


async def _in_batches(suite: Suite, specs: Sequence[str], workers: int, results: Results, end: float) -> None:
    size = BATCH if workers > 1 else 5
    for first in range(0, len(specs), size):
        left = end - time.monotonic()
        if left < 20:
            click.echo(f"time is up; {len(specs) - first} specs are left to the next call", err=True)
            return
        batch = specs[first : first + size]
        began = time.monotonic()
        found = await suite.run(batch, min(workers, len(batch)), left)
        results.add(found)
        bad = [each for each in found if each.state == FAILED]
        click.echo(f"{len(found)} of {len(batch)} ran in {time.monotonic() - began:.0f} s, {len(bad)} failed", err=True)
        for each in bad:
            click.echo(f"  {each.spec}", err=True)


async def _start(instance: Instance, cache: Path, nodes: int) -> None:
    """Up, with the suite's images on each node."""
    options = () if instance.daemon is not None else (*instance.options, "--nodes", str(nodes))
    if options:
        await instance.ph("up", *options, timeout_s=180)
    archive = cache / "images.tar"
    if not archive.exists() or archive.stat().st_mtime < max(
        path.stat().st_mtime for path in (Path(images.__file__), cache / "root.tar", *(cache / "bin").iterdir())
    ):
        new = archive.with_suffix(".new")
        images.write_suite_images(new, cache)
        new.rename(archive)
    for home in (instance.home, *instance.home.further()):
        await _load(Instance(home, ()), archive)


async def _load(instance: Instance, archive: Path) -> None:
    loaded, version = instance.home.path / "conformance-images", str(archive.stat().st_mtime_ns)
    if not loaded.exists() or loaded.read_text() != version:
        await load_archive(instance.node.containerd_dir / "containerd.sock", archive)
        loaded.write_text(version)


def _exactly(spec: str) -> str:
    return f"^{re.escape(spec)}$"


if __name__ == "__main__":
    main()
