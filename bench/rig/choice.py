"""The command line: which benchmarks, how long, where."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import NAMES

DEFAULT_FOLDER = Path("/var/tmp")
"""On a disk, where /tmp may be memory: an fsync must cost what it costs."""


@dataclass(frozen=True, slots=True)
class Choice:
    names: tuple[str, ...]
    quick: bool = False
    folder: Path = DEFAULT_FOLDER


def parse(arguments: Sequence[str]) -> Choice:
    """Names in the order of `NAMES`, each once; all of them when none is given. Exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Runs benchmarks and prints one JSON object.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer repetitions, under 90 s in all")
    parser.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="where the throw-away instances live (default: %(default)s)")
    found = parser.parse_args(arguments)
    unknown = sorted(set(found.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    chosen = tuple(name for name in NAMES if name in found.names or not found.names)
    return Choice(chosen, found.quick, found.dir.absolute())
