"""The command line: which benchmarks, how long, where."""

import argparse
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import NAMES

DEFAULT_FOLDER = Path("/var/tmp")
"""On a disk, where /tmp may be memory: an fsync must cost what it costs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """parts: by name, those that were chosen of a benchmark that has parts."""

    names: tuple[str, ...]
    quick: bool = False
    folder: Path = DEFAULT_FOLDER
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse(arguments: Sequence[str]) -> Choice:
    """Names in the order of `NAMES`, each once; all of them when none is given. Exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Runs benchmarks and prints one JSON object.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)} (default: all); NAME:PART,PART for parts")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer repetitions, under 90 s in all")
    parser.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="where the throw-away instances live (default: %(default)s)")
    found = parser.parse_args(arguments)
    asked: dict[str, tuple[str, ...]] = {}
    for name, _, parts in (each.partition(":") for each in found.names):
        asked[name] = (*asked.get(name, ()), *filter(None, parts.split(",")))
    unknown = sorted(set(asked) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    for name, parts in asked.items():
        known = getattr(importlib.import_module(f"bench.{name}"), "PARTS", ()) if parts else ()
        if wrong := [part for part in parts if part not in known]:
            parser.error(f"{name} has no part {', '.join(wrong)}; there are: {', '.join(known) or 'none'}")
    chosen = tuple(name for name in NAMES if name in asked or not asked)
    return Choice(chosen, found.quick, found.dir.absolute(), asked)
