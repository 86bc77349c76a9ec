"""Work that one instance's server does by itself, so that no client of it takes anything from its neighbours."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pymysql

from bench.rig.writers import Plan

TABLE = "CREATE TABLE IF NOT EXISTS noise (id BIGINT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB NOT NULL)"
CLEAR = "TRUNCATE noise"
AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Noise:
    """statements: one after the other, again and again, by each of so many sessions. clears: whether what was written goes at the end."""

    statements: tuple[str, ...]
    sessions: int = 4
    clears: bool = False


_WRITE = "INSERT INTO noise (body) SELECT REPEAT('x', 1 << 20) FROM seq_1_to_4"
_SORT = "SELECT SUM(LENGTH(body)) FROM (SELECT DISTINCT REPEAT(CHAR(65 + seq % 26), 60000 + seq) AS body FROM seq_1_to_100) AS wide"
KINDS = {
    "cpu": Noise(("SELECT BENCHMARK(100000, SHA2('noise', 512))",), sessions=8),
    "memory": Noise((_SORT,), sessions=8),
    "writes": Noise((*(_WRITE,) * 8, CLEAR), sessions=2, clears=True),
    "full": Noise((_WRITE,), sessions=2),
}
"""cpu: all that its limit gives. memory: temporary tables as large as may be, in memory and in files. writes: large transactions, each on
the disk before the next. full: the same until the volume takes no more."""


@contextlib.contextmanager
def making(plan: Plan, noise: Noise) -> Iterator[None]:
    """For the block; statements that are refused or killed are begun anew."""
    ending = threading.Event()
    threads = [threading.Thread(target=_work, args=(plan, noise, ending)) for _ in range(noise.sessions)]
    _run(plan, TABLE)
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join()
        if noise.clears:
            _run(plan, CLEAR)


def _work(plan: Plan, noise: Noise, ending: threading.Event) -> None:
    while not ending.is_set():
        with contextlib.suppress(pymysql.err.Error, OSError), contextlib.closing(plan.connect()) as connection:
            while not ending.is_set():
                for statement in noise.statements:
                    if not ending.is_set():
                        connection.cursor().execute(statement)
        ending.wait(AGAIN_S)


def _run(plan: Plan, statement: str) -> None:
    with contextlib.closing(plan.connect()) as connection:
        connection.cursor().execute(statement)
