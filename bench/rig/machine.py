"""What the figures were measured on."""

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.rig.figures import Figures
from pilothouse import __version__

PROGRAMS = {"containerd": ("containerd", "--version"), "runc": ("runc", "--version"), "nft": ("nft", "--version")}


def facts() -> Figures:
    return {"cores": os.cpu_count(), "memory_mib": _memory_mib(), "kernel": platform.release(), "versions": _versions()}


def load() -> list[float]:
    """The load averages of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def _versions() -> dict[str, str]:
    python = {name: version(name) for name in ("uvloop", "httptools", "orjson", "grpcio")}
    programs = {name: _first_line(command) for name, command in PROGRAMS.items() if shutil.which(name)}
    return {"pilothouse": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, **python, **programs}


def _first_line(command: tuple[str, ...]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    return said.splitlines()[0] if said else ""


def busy_cores(before: tuple[float, float], after: tuple[float, float]) -> float:
    """How many cores were busy, on average, between two readings of `cpu_seconds`."""
    return round((after[0] - before[0]) / max(after[1] - before[1], 1e-9) * (os.cpu_count() or 1), 2)


def cpu_seconds() -> tuple[float, float]:
    """Of the whole machine since its start, all cores together: busy, and in all."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return float(sum(ticks) - idle), float(sum(ticks))
