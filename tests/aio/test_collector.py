"""The collector in a process of its own, since it is one a process."""

import subprocess
import sys

SCRIPT = """
import gc
import pilothouse.engine.apiserver.server
from pilothouse.aio import collector

collector.restrain()
looked_through = len(gc.get_objects())
made = [{"n": {}} for _ in range(5_000)]
cycle = {}
cycle["self"] = cycle
del cycle
print(looked_through, gc.get_count()[1], gc.collect() > 0)
"""


def test_what_is_loaded_is_not_looked_through_again_and_cycles_are_still_found() -> None:
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, timeout=60)
    looked_through, collections, found = answer.stdout.decode().split()
    assert int(looked_through) < 1_000
    assert (collections, found) == ("0", "True")
