"""A platform whose agents have another program takes the place of the one before, beside servers that go on and are written to."""

import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

import pilothouse
from bench.rig.writers import writing
from tests.e2e.databases.test_failover import write_for
from tests.e2e.databases.trio import AGENT, Trio
from tests.e2e.instance import eventually, fresh

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]


def inside_agents(trio: Trio, *command: str) -> list[str]:
    """What the command prints in the agent of each member."""
    return [trio.kubectl("exec", each["name"], "-c", AGENT, "--", *command).split()[0] for each in trio.status["members"]]


def programs(trio: Trio) -> set[str]:
    return set(inside_agents(trio, "sha256sum", "/agent/agent.pyz"))


def servers(trio: Trio) -> list[str]:
    return inside_agents(trio, "cat", "/run/database/server.pid")


def is_upgraded(trio: Trio, old: str) -> bool:
    """Whether all agents have one other program, and none of them has yet to take it up."""
    has = trio.status.get("members") and programs(trio)
    return bool(has) and len(has) == 1 and old not in has and not any("new program" in each["message"] for each in trio.status["members"])


def test_an_upgraded_platform_gives_agents_their_new_program_and_no_row_fails_meanwhile(tmp_path: Path) -> None:
    package = shutil.copytree(Path(pilothouse.__file__).parent, tmp_path / "pilothouse", ignore=shutil.ignore_patterns("__pycache__"))
    with fresh(9) as cluster, ExitStack() as stack:
        cluster.environment["PYTHONPATH"] = str(tmp_path)
        cluster.up()
        both = {1: Trio(cluster, "alone"), 3: Trio(cluster, "shop")}
        for replicas, each in both.items():
            each.create(replicas)
        before = {count: servers(each) for count, each in both.items()}
        (old,) = {name for each in both.values() for name in programs(each)}
        plans = {count: each.plan(_folder(tmp_path, count), tag=f"p{count}", think_s=0.005) for count, each in both.items()}
        writers = {count: stack.enter_context(writing(plan)) for count, plan in plans.items()}
        for each in writers.values():
            write_for(each, 1)

        with (package / "platform/databases/inside/agent/__init__.py").open("a") as file:
            file.write("# Of a later version.\n")
        os.kill(cluster.daemon_pid, signal.SIGKILL)

        for count, each in both.items():
            eventually(lambda each=each: is_upgraded(each, old), 180, 2)
            each.until_well(60)
            written = writers[count].stop()
            failed = f"{count} members: {len(written.failed)} of {len(written.attempts)}, {written.failed[:3]}\n"
            assert not len(written.failed), failed + each.story()
            assert servers(each) == before[count]
            each.require_whole(plans[count], written)


def _folder(parent: Path, count: int) -> Path:
    folder = parent / f"writers-{count}"
    folder.mkdir()
    return folder
