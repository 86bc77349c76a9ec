"""A primary that hands over because it is asked to, and because its node is drained."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bench.rig.writers import Plan, Written, writing
from tests.e2e.databases.test_failover import write_for
from tests.e2e.databases.trio import NAME, Trio
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
READ_ONLY_S = 2.0
"""On a busy machine; what it is on a calm one is measured by `python -m bench databases`."""


def well_behaved(plan: Plan) -> Plan:
    """As a client with a pool is: a connection is tried before it is used, and what failed is done once more."""
    return replace(plan, think_s=0.02, attempts=2, pings=True)


def switch_over(trio: Trio) -> None:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    trio.kubectl("patch", "mysql", NAME, "--type=merge", "-p", f'{{"spec": {{"switchover": {{"at": "{at}"}}}}}}')
    eventually(lambda: trio.status.get("switchedAt") == at, 60)


def drain(trio: Trio) -> None:
    node = trio.pod(trio.primary)["spec"]["nodeName"]
    if sum(trio.pod(member)["spec"]["nodeName"] == node for member in (trio.primary, *trio.replicas)) > 1:
        pytest.skip("the members are not on nodes of their own")
    try:
        trio.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s", timeout=170)
    finally:
        trio.cluster.kubectl("uncordon", node)


def require_none_lost(written: Written) -> None:
    lost = set(written.lost())
    assert not lost, "\n".join(map(str, (each for each in written.failed if each.token in lost)))


@pytest.mark.parametrize("move", [switch_over, drain])
def test_a_primary_hands_over_without_an_error_that_is_there_twice(trio: Trio, plan: Plan, move: Callable[[Trio], None]) -> None:
    plan, old = well_behaved(plan), trio.primary
    with writing(plan) as writers:
        write_for(writers, 1)
        move(trio)
        done = trio.status["move"]
        trio.until_well(120, but=old)
        time.sleep(1)
        written = writers.stop()
    print(f"read only for {done['readOnlySeconds']} s, longest gap {written.longest_gap_s():.2f} s, {len(written.failed)} tried again")  # noqa: T201
    assert (done["kind"], done["source"], done["message"]) == ("switchover", old, "")
    assert done["readOnlySeconds"] < READ_ONLY_S
    require_none_lost(written)
    trio.require_whole(plan, written)


def test_a_primary_under_constant_load_hands_over(trio: Trio, plan: Plan) -> None:
    """By writers that are never idle, whose transactions fail once."""
    plan, old = replace(plan, attempts=3), trio.primary
    with writing(plan) as writers:
        write_for(writers, 1)
        switch_over(trio)
        trio.until_well(120, but=old)
        written = writers.stop()
    require_none_lost(written)
    trio.require_whole(plan, written)
