"""A node that goes for good, with a member's volume on it: the instance goes on, says what is lacking, and becomes whole when asked to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig.writers import writing
from pilothouse.cli.settings.home import Home
from tests.e2e.databases.test_failover import acknowledged_after, write_for
from tests.e2e.databases.trio import Trio
from tests.e2e.instance import eventually, started

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1200)]
NEXT_ROW_S = 60.0


@pytest.fixture
def apart() -> Iterator[Trio]:
    """Each member on a node of its own, the primary on one that may go."""
    with started(8, "--nodes", "3") as cluster:
        trio = Trio(cluster, "apart")
        trio.create()
        nodes = {trio.pod(member)["spec"]["nodeName"]: member for member in (trio.primary, *trio.replicas)}
        assert len(nodes) == 3, nodes
        yield trio


def home_of(trio: Trio, node: str) -> Path:
    """Of a further node of this machine, whose name ends with its number."""
    return Home(trio.cluster.home).further_nodes / node.rpartition("-")[2]


def test_a_member_whose_node_is_gone_with_its_volume_is_made_anew_when_its_claim_is_deleted(apart: Trio, tmp_path: Path) -> None:
    first = min((apart.pod(member)["spec"]["nodeName"] for member in (apart.primary, *apart.replicas)), key=len)
    plan = apart.plan(tmp_path, think_s=0.02)
    with writing(plan) as writers:
        write_for(writers, 1)
        lost = apart.primary if apart.pod(apart.primary)["spec"]["nodeName"] != first else apart.replicas[0]
        node = apart.pod(lost)["spec"]["nodeName"]
        apart.cluster.ph("--home", str(home_of(apart, node)), "destroy", "--yes")
        apart.cluster.kubectl("delete", "node", node)
        moment = max(each.ended for each in writers.written().attempts)
        acknowledged_after(writers, moment, NEXT_ROW_S)
        eventually(lambda: lost in message(apart), 120, 1)
        print(message(apart))  # noqa: T201

        apart.kubectl("delete", "pvc", f"data-{lost}", "--wait=false")
        apart.kubectl("delete", "pod", lost, "--wait=false")
        apart.until_well(240)
        assert [each["message"] for each in apart.status["conditions"] if each["status"] != "True"] == []
        written = writers.stop()
    apart.require_whole(plan, written)


def message(trio: Trio) -> str:
    """Why it is not healthy."""
    conditions = trio.status.get("conditions", ())
    return " ".join(each["message"] for each in conditions if each["type"] in ("Ready", "Healthy") and each["status"] == "False")
