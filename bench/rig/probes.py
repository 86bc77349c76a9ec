"""Clients that look up one row again and again, in a process of their own, each a thread: `python -m bench.rig.probes`.

Standard input brings a JSON list of `Plan`s, one a line of it; each query becomes a line of the plan's file `notes`: when it began and
ended, on the clock of writers, and the error, if any. It goes on until standard input ends.
"""

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pymysql

from bench.rig.writers import Plan, now

ROWS = 1000
TABLE = "CREATE TABLE IF NOT EXISTS point (id INT PRIMARY KEY, body VARCHAR(200) NOT NULL)"
FILL = f"INSERT IGNORE INTO point SELECT seq, REPEAT('x', 200) FROM seq_1_to_{ROWS}"
QUERY = "SELECT body FROM point WHERE id = %s"
END_S = 30.0


@dataclass(frozen=True, slots=True)
class Query:
    began: float
    ended: float
    error: str


def prepare(plan: Plan) -> None:
    """The table that is looked into. Raises pymysql.Error."""
    with contextlib.closing(plan.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(TABLE)
        cursor.execute(FILL)


@contextlib.contextmanager
def probing(plans: Sequence[Plan]) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.rig.probes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps([asdict(plan) for plan in plans]) + "\n")
        process.stdin.flush()
        try:
            yield
        finally:
            process.stdin.close()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def queries(plans: Sequence[Plan]) -> list[Query]:
    """What has been noted so far."""
    lines = [line for plan in plans if Path(plan.notes).exists() for line in Path(plan.notes).read_text().splitlines(keepends=True)]
    return [Query(*json.loads(line)) for line in lines if line.endswith("\n")]


def _probe(plan: Plan, ending: threading.Event) -> None:
    connection = None
    with Path(plan.notes).open("a", buffering=1) as notes:
        while not ending.wait(plan.think_s * random.uniform(0.5, 1.5)):
            began, error = now(), ""
            try:
                connection = connection or plan.connect()
                connection.cursor().execute(QUERY, (random.randint(1, ROWS),))
            except (pymysql.err.Error, OSError) as failure:
                connection, error = None, f"{type(failure).__name__}{failure.args}"[:200]
            notes.write(json.dumps([began, now(), error]) + "\n")


def main() -> None:
    ending = threading.Event()
    threads = [threading.Thread(target=_probe, args=(Plan(**plan), ending)) for plan in json.loads(sys.stdin.readline())]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ending.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
