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

from bench.rig.writers import TABLE, Plan, Writers, writing
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
STAYS = ("kube-root-ca.crt", "default-backups", "default-key", "default-jobs-")
"""Objects that are there for the namespace, and for its store of backups, which outlives instances: by the beginning of their names."""


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
    shaken.sql(shaken.primary, TABLE)
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
    trio.kubectl("delete", f"mysql/{NAME}", f"mysql/{COPY}", "backup/whole", "--wait=false")
    try:
        faults.during("the removal", lambda: not left(trio))
    except AssertionError as error:
        raise AssertionError(f"{left(trio)} are left: {error}") from None


def left(trio: Trio) -> list[str]:
    """What an instance had, volumes included."""
    said = [trio.kubectl("get", what, "-o", "json", check=False) for what in (f"mysql,{OWNED}", "pv")]
    if not all(said):
        return ["the cluster does not answer"]
    objects, volumes = (json.loads(each)["items"] for each in said)
    claims = [each["spec"]["claimRef"] for each in volumes if "claimRef" in each["spec"]]
    found = [(each["kind"], each["metadata"]["name"]) for each in objects]
    found += [("the volume of", each["name"]) for each in claims if each["namespace"] == trio.namespace]
    return [f"{kind} {name}" for kind, name in found if not name.startswith(STAYS)]
