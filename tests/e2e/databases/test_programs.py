"""A platform whose agents have another program takes the place of the one before, beside servers that go on."""

import os
import shutil
import signal
from pathlib import Path

import pytest

import pilothouse
from tests.e2e.databases.trio import AGENT, Trio
from tests.e2e.instance import eventually, fresh

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]


def programs(trio: Trio) -> set[str]:
    return {digest(trio, member) for member in ("orders-0", "orders-1", "orders-2")}


def digest(trio: Trio, member: str) -> str:
    return trio.kubectl("exec", member, "-c", AGENT, "--", "sha256sum", "/agent/agent.pyz").split()[0]


def servers(trio: Trio) -> list[str]:
    command = ("-c", AGENT, "--", "cat", "/run/database/server.pid")
    return [trio.kubectl("exec", member, *command).strip() for member in ("orders-0", "orders-1", "orders-2")]


def test_an_upgraded_platform_gives_agents_their_new_program_and_no_server_is_started_again(tmp_path: Path) -> None:
    package = shutil.copytree(Path(pilothouse.__file__).parent, tmp_path / "pilothouse", ignore=shutil.ignore_patterns("__pycache__"))
    with fresh(9) as cluster:
        cluster.environment["PYTHONPATH"] = str(tmp_path)
        cluster.up()
        trio = Trio(cluster, "shop")
        trio.create()
        before, (old,) = servers(trio), programs(trio)
        with (package / "platform/databases/inside/agent/__init__.py").open("a") as file:
            file.write("# Of a later version.\n")
        os.kill(cluster.daemon_pid, signal.SIGKILL)
        eventually(lambda: len(programs(trio)) == 1 and old not in programs(trio), 90, 2)
        eventually(lambda: not any("new program" in each["message"] for each in trio.status["members"]), 30, 0.5)
        trio.until_well(60)
        assert servers(trio) == before
