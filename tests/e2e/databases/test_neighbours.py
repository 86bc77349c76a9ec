"""An instance that works as hard as it may, beside one that is asked for one row at a time.

Limits are wide, for machines that are busy with other things; figures are `bench.rig.neighbours`' business.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig import noise, probes
from bench.rig.neighbours import SETTLE_S, Window, figures_of
from bench.rig.writers import now
from tests.e2e.databases.trio import CREATE_S, NAME, Trio
from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS, WINDOW_S = 3, 4.0
MOST = 10.0
"""Times as long as without noise, at the 99th percentile; an instance that nothing held back would be a hundred times as slow."""


@pytest.fixture(scope="module")
def pair(cluster: Instance) -> Iterator[tuple[Trio, Trio]]:
    """The one that is looked at, and the one that makes noise."""
    made = Trio(cluster, "quiet"), Trio(cluster, "loud")
    for each in made:
        each.create(1)
    yield made
    for each in made:
        each.kubectl("delete", "mysql", NAME, "--timeout=60s")


def test_one_that_is_resized_under_work_keeps_nobody_from_answers(pair: tuple[Trio, Trio], tmp_path: Path) -> None:
    quiet, loud = pair
    plan = quiet.plan(tmp_path, "probes", think_s=0.01)
    probes.prepare(plan)
    windows = []
    with probes.probing([plan]):
        for cpu, memory in (("500m", "512Mi"), ("300m", "384Mi")):
            windows.append(_window(is_noisy=False))
            loud.kubectl(
                "patch", "mysql", NAME, "--type=merge", "-p", f'{{"spec": {{"resources": {{"cpu": "{cpu}", "memory": "{memory}"}}}}}}'
            )
            windows.append(_window(is_noisy=True))
    loud.until_well(CREATE_S)
    found = figures_of(windows, probes.queries([plan]))
    assert not found["failed"], found
    assert found["p99_ratio"] < MOST, found


@pytest.mark.parametrize("kind", ["cpu", "memory", "writes", "full"])
def test_nobody_waits_long_for_an_answer_because_of_a_neighbour(pair: tuple[Trio, Trio], kind: str, tmp_path: Path) -> None:
    quiet, loud = pair
    plan, of_loud = quiet.plan(tmp_path, "probes", think_s=0.01), loud.plan(tmp_path, "unused", read_s=60.0)
    probes.prepare(plan)
    windows = []
    with probes.probing([plan]):
        # What has filled its volume stays as it is.
        for _ in range(1 if kind == "full" else ROUNDS):
            windows.append(_window(is_noisy=False))
            with noise.making(of_loud, noise.KINDS[kind]):
                windows.append(_window(is_noisy=True))
    found = figures_of(windows, probes.queries([plan]))
    assert not found["failed"], found
    assert found["p99_ratio"] < MOST, found


def _window(*, is_noisy: bool) -> Window:
    began = now() + SETTLE_S
    # This is what is measured: nothing ends sooner.
    time.sleep(SETTLE_S + WINDOW_S)
    return Window(began, now(), is_noisy)
