"""The engine's store alone: durable writes a second, and how long a restart with 10,000 objects takes.

Compared with two floors on the same disk in the same run, in alternation: a loop that inserts the same kilobyte into SQLite with the
store's own settings (WAL, synchronous=FULL) and commits, and a loop of bare write + fsync. With 16 writers the store is
quicker than either loop, since one fsync carries the writes of all who wait (group commit).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.rig.context import Context
from bench.rig.figures import Figures, hammer, milliseconds, now, rate
from pilothouse.engine.store.store import Store

ROUNDS = 3
SIZE = 1024
WRITERS = (1, 16)


async def run(context: Context) -> Figures:
    folder = context.folder / "store"
    folder.mkdir()
    count = context.pick(1000, 200)
    rounds = [await one_round(folder / str(number), count) for number in range(context.pick(ROUNDS, 1))]
    figures = {name: middle([each[name] for each in rounds]) for name in rounds[0]}
    objects = context.pick(10_000, 2_000)
    return {**figures, f"restart_with_{objects}_objects": await restart(folder / "large.db", objects)}


def middle(rounds: list[Figures]) -> Figures:
    """The round with the median rate."""
    return sorted(rounds, key=lambda figures: float(figures["per_second"]))[len(rounds) // 2]


async def one_round(folder: Path, count: int) -> dict[str, Figures]:
    folder.mkdir()
    figures = {"fsync_floor": await asyncio.to_thread(fsync_floor, folder / "file", count)}
    figures["sqlite_floor"] = await asyncio.to_thread(sqlite_floor, folder / "floor.db", count)
    async with Store.open(folder / "store.db") as store:
        for writers in WRITERS:
            label = f"{writers}_writer{'s' if writers > 1 else ''}"
            figures |= {f"{verb}_{label}": found for verb, found in (await writes(store, writers, count)).items()}
    return figures


async def writes(store: Store, writers: int, count: int) -> dict[str, Figures]:
    names = [f"w{writers}-{number}" for number in range(count)]

    async def create(_: int, number: int) -> None:
        await store.create(key(names[number]), value(names[number]))

    async def update(_: int, number: int) -> None:
        current = store.get(key(names[number]))
        assert current is not None
        await store.update(key(names[number]), value(names[number]), expected=current.revision)

    return {"create": await hammer(range(writers), count, create), "update": await hammer(range(writers), count, update)}


def key(name: str) -> str:
    return f"/configmaps/bench/{name}"


def value(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "bench"}, "data": {"text": "x" * SIZE}}


def fsync_floor(path: Path, count: int) -> Figures:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(_: int) -> None:
        os.write(descriptor, b"x" * SIZE)
        os.fsync(descriptor)

    try:
        return timed(count, write)
    finally:
        os.close(descriptor)


def sqlite_floor(path: Path, count: int) -> Figures:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE log (revision INTEGER PRIMARY KEY, value BLOB NOT NULL)")
        return timed(count, lambda number: connection.execute("INSERT INTO log VALUES (?, ?)", (number, b"x" * SIZE)))
    finally:
        connection.close()


def timed(count: int, write: Callable[[int], object]) -> Figures:
    took = []
    start = now()
    for number in range(count):
        began = now()
        write(number)
        took.append(now() - began)
    return rate(took, now() - start)


async def restart(path: Path, objects: int) -> Figures:
    """Opening reads and checks every row before anything is served."""
    async with Store.open(path) as store:
        await hammer(range(64), objects, lambda _, number: store.create(key(f"o-{number}"), value(f"o-{number}")))
    began = now()
    async with Store.open(path) as store:
        took = now() - began
        assert store.count("/configmaps/") == objects
    return {"ms": milliseconds(took), "database_mib": round(path.stat().st_size / (1 << 20), 1)}
