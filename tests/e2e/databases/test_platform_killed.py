"""The platform's process is killed at random moments of each operation: what was begun ends as it would have, and nothing half-made stays.

An operation is asked for once, by a client that never asks again. The seed is printed, and may be given to have the same moments again.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.rig.writers import Plan, Writers, writing
from tests.e2e.databases.test_failover import write_for
from tests.e2e.databases.trio import CREATE_S, NAME, Trio
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]
SEED = "PILOTHOUSE_TEST_SEED"
KILLS = 3
"""While one operation is under way."""
DONE_S = 240.0
"""For an operation after the last kill, on a busy machine."""
OWNED = "pods,pvc,secrets,services,statefulsets,configmaps,networkpolicies,poddisruptionbudgets,jobs,deployments,backups"
COPY = "copy"
EVERYBODY_S = "kube-root-ca.crt"


class Faults:
    """Kills of the platform's process, which comes back by itself."""

    def __init__(self, trio: Trio, seed: int) -> None:
        self.trio, self.cluster = trio, trio.cluster
        self.random = random.Random(seed)

    def during(self, operation: str, is_done: Callable[[], object]) -> None:
        """Which has been asked for."""
        waits = [self.random.uniform(0.0, 3.0) for _ in range(KILLS)]
        for wait_s in waits:
            time.sleep(wait_s)
            self._kill()
        try:
            eventually(is_done, DONE_S, 0.5)
        except AssertionError as error:
            said = f"{operation} is not done after kills {waits} s after each other"
            raise AssertionError(f"{said}: {error}\n{self.trio.story()}") from None

    def _kill(self) -> None:
        pid = self.cluster.daemon_pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.cluster.daemon_pid != pid and self._answers(), 90)

    def _answers(self) -> bool:
        return self.cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0


@pytest.fixture
def faults(shaken: Trio) -> Faults:
    seed = int(os.environ.get(SEED) or time.time())
    print(f"{SEED}={seed}")  # noqa: T201
    return Faults(shaken, seed)


@pytest.fixture
def shaken(cluster: Instance) -> Iterator[Trio]:
    """An instance that is not there yet."""
    trio = Trio(cluster, "shaken")
    yield trio
    trio.kubectl("delete", "mysql", "--all", "--wait=false", check=False)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_what_was_begun_before_the_platform_was_killed_ends_as_it_would_have(shaken: Trio, faults: Faults, tmp_path: Path) -> None:
    shaken.ask()
    faults.during("the making", lambda: well(shaken))
    shaken.until_well(CREATE_S)
    shaken.sql(shaken.primary, "CREATE TABLE written (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(64) NOT NULL UNIQUE)")
    plan = shaken.plan(tmp_path, think_s=0.05, tag="k")
    with writing(plan) as writers:
        write_for(writers, 0)
        resized(shaken, faults)
        handed_over(shaken, faults)
        restarted(shaken, faults)
        failed_over(shaken, faults)
        backed_up(shaken, faults)
        restored(shaken, faults, writers, plan)
        shaken.until_well(120)
        written = writers.stop()
    shaken.require_whole(plan, written)
    removed(shaken, faults)


def well(trio: Trio) -> bool:
    status = trio.status
    return status.get("phase") == "Online" and status["readyReplicas"] == len(status["members"]) and bool(status["durable"])


def uids(trio: Trio) -> dict[str, str]:
    found = trio.cluster.get("-n", trio.namespace, "pods", "-l", f"databases.pilothouse.dev/instance={NAME}")["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def resized(trio: Trio, faults: Faults) -> None:
    before = uids(trio)
    trio.change(resources={"cpu": "400m", "memory": "448Mi"})
    faults.during("the resize", lambda: {(each["cpu"], each["memory"]) for each in trio.status.get("members", ())} == {("400m", "448Mi")})
    assert uids(trio) == before


def handed_over(trio: Trio, faults: Faults) -> None:
    trio.until_well()
    old, at = trio.primary, now()
    trio.change(switchover={"at": at})
    faults.during("the switchover", lambda: trio.status.get("switchedAt") == at and well(trio))
    move = trio.status["move"]
    assert trio.primary != old or move["message"], move


def restarted(trio: Trio, faults: Faults) -> None:
    trio.until_well()
    before = uids(trio)
    trio.change(restartedAt=now())
    faults.during("the restart", lambda: len(found := uids(trio)) == 3 and not set(found.values()) & set(before.values()) and well(trio))


def failed_over(trio: Trio, faults: Faults) -> None:
    trio.until_well()
    term = trio.status["term"]
    trio.kill_server(trio.primary)
    faults.during("the failover", lambda: well(trio))
    assert trio.status["term"] >= term


def backed_up(trio: Trio, faults: Faults) -> None:
    trio.apply("Backup", "whole", service={"kind": "MySQL", "name": NAME})
    faults.during("the backup", lambda: phase(trio, "backup", "whole") == "Succeeded")
    jobs = trio.cluster.get("-n", trio.namespace, "jobs")["items"]
    assert len({each["metadata"]["name"] for each in jobs}) == len(jobs)


def restored(trio: Trio, faults: Faults, writers: Writers, plan: Plan) -> None:
    small = {"size": "512Mi", "resources": {"cpu": "200m", "memory": "256Mi"}, "deletionProtection": False, "finalBackup": False}
    before = {each.token for each in writers.written().acknowledged}
    trio.apply("MySQL", COPY, **small, restore={"backup": "whole"})
    faults.during("the restore", lambda: phase(trio, "mysql", COPY) == "Online")
    client = ["mariadb", "--defaults-file=/run/database/my.cnf", "-BNe", f"SELECT token FROM {NAME}.written"]
    found = set(trio.kubectl("exec", f"{COPY}-0", "-c", "database", "--", *client).split())
    assert found, "the copy is empty"
    assert found <= before | {each.token for each in writers.written().attempts}


def phase(trio: Trio, kind: str, name: str) -> str:
    return trio.kubectl("get", kind, name, "-o", "jsonpath={.status.phase}", check=False)


def removed(trio: Trio, faults: Faults) -> None:
    trio.kubectl("delete", "mysql", NAME, COPY, "--wait=false")
    trio.kubectl("delete", "backup", "whole", "--wait=false")
    faults.during("the removal", lambda: not left(trio))


def left(trio: Trio) -> list[str]:
    """All that is there and would not be if there had never been an instance."""
    said = trio.kubectl("get", f"mysql,{OWNED}", "-o", "json", check=False)
    if not said:
        return ["the cluster does not answer"]
    found = [f"{each['kind']}/{each['metadata']['name']}" for each in json.loads(said)["items"]]
    return [each for each in found if not each.endswith(EVERYBODY_S)]
