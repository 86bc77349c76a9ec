"""A primary that dies, hangs or loses what is around it, under writers that note what was acknowledged."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from bench.rig.writers import Plan, Writers, writing
from tests.e2e.databases.trio import SERVER, Trio
from tests.e2e.instance import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
BEFORE_S = 2.0
"""For which is written before something happens."""
AGAIN_S = 15.0
"""Until the next row is acknowledged, on a busy machine."""
HUNG_S = 35.0
"""The same where a server hangs, which is waited for first."""


def write_for(writers: Writers, seconds: float) -> None:
    """Until there are rows, and that long."""
    eventually(lambda: len(writers.written().acknowledged) > 20, 30)
    time.sleep(seconds)


def acknowledged_after(writers: Writers, moment: float, within_s: float) -> float:
    """Seconds from the moment to the first row that was begun and acknowledged after it."""
    attempt = eventually(lambda: writers.written().next_after(moment), within_s)
    return float(attempt.ended - moment)


DEATHS: dict[str, Callable[[Trio, str], float]] = {
    "server": Trio.kill_server,
    "pod": Trio.kill_pod,
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_primary_that_dies_is_replaced_and_nothing_acknowledged_is_lost(trio: Trio, plan: Plan, death: str) -> None:
    old = trio.primary
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        moment = DEATHS[death](trio, old)
        took_s = acknowledged_after(writers, moment, AGAIN_S)
        trio.until_well(but=old)
        written = writers.stop()
    print(f"{death}: the next row after {took_s:.2f} s")  # noqa: T201
    trio.require_whole(plan, written)
    assert trio.status["move"]["kind"] == "failover"


def test_servers_go_on_while_their_agents_are_killed(trio: Trio, plan: Plan) -> None:
    term = trio.status["term"]
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        for member in (trio.primary, *trio.replicas):
            trio.kill_agent(member)
        time.sleep(5)
        trio.until_well()
        written = writers.stop()
    assert not written.failed
    assert trio.status["term"] == term
    trio.require_whole(plan, written)


def test_a_primary_that_dies_with_the_control_plane_is_replaced_once_that_is_back(trio: Trio, plan: Plan) -> None:
    old = trio.primary
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        server = trio.server(old)
        os.kill(trio.cluster.daemon_pid, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)
        acknowledged_after(writers, time.monotonic(), 90)
        trio.until_well(120)
        written = writers.stop()
    trio.require_whole(plan, written)


def test_a_primary_that_hangs_is_replaced_and_nothing_acknowledged_is_lost(trio: Trio, plan: Plan) -> None:
    old = trio.primary
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        server, moment = trio.server(old), time.monotonic()
        os.kill(server, signal.SIGSTOP)
        took_s = acknowledged_after(writers, moment, HUNG_S)
        trio.until_well(but=old)
        written = writers.stop()
    print(f"hung: the next row after {took_s:.2f} s")  # noqa: T201
    trio.require_whole(plan, written)


@pytest.mark.parametrize("death", DEATHS)
def test_a_replica_that_dies_stops_no_writer(trio: Trio, plan: Plan, death: str) -> None:
    primary = trio.primary
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        DEATHS[death](trio, trio.replicas[0])
        time.sleep(2)
        trio.until_well()
        written = writers.stop()
    assert not written.failed
    assert trio.primary == primary
    trio.require_whole(plan, written)


def test_two_deaths_one_after_the_other_lose_nothing(trio: Trio, plan: Plan) -> None:
    """The second primary dies as soon as it has taken over, when the first is not back yet."""
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        first = trio.primary
        moment = trio.kill_server(first)
        acknowledged_after(writers, moment, AGAIN_S)
        second = str(eventually(lambda: (found := trio.primary) != first and found, 10))
        moment = trio.kill_server(second)
        acknowledged_after(writers, moment, 60)
        trio.until_well(120)
        written = writers.stop()
    trio.require_whole(plan, written)


@pytest.mark.parametrize("death", DEATHS)
def test_all_members_that_die_at_once_come_back_with_everything(trio: Trio, plan: Plan, death: str) -> None:
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        pids = [trio.server(member) for member in (trio.primary, *trio.replicas)] if death == "server" else []
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for member in () if pids else (trio.primary, *trio.replicas):
            trio.kill_pod(member)
        acknowledged_after(writers, time.monotonic(), 90)
        trio.until_well(120)
        written = writers.stop()
    trio.require_whole(plan, written)


def test_an_instance_comes_back_with_everything_after_the_cluster_was_stopped_and_servers_killed(trio: Trio, plan: Plan) -> None:
    members = [trio.primary, *trio.replicas]
    with writing(plan) as writers:
        write_for(writers, BEFORE_S)
        servers = [trio.server(member) for member in members]
        trio.cluster.ph("down")
        for pid in servers:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)
        trio.cluster.ph("up")
        acknowledged_after(writers, time.monotonic(), 120)
        trio.until_well(180)
        written = writers.stop()
    trio.require_whole(plan, written)
    assert all(each["role"] for each in trio.status["members"]), SERVER
