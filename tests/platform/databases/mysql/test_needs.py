"""An image that lacks something is named, instead of a container that ends again and again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.bundle import bundle
from pilothouse.platform.databases.mysql import trouble
from pilothouse.platform.databases.mysql.image import PROGRAMS as MADE
from pilothouse.platform.databases.mysql.objects import needs
from pilothouse.platform.databases.mysql.types import MySQLSpec


def started(folder: Path, programs: list[str]) -> tuple[int, str]:
    """Of the agent's container in an image with these programs: its code and its message."""
    folder.joinpath("bin").mkdir()
    for name in programs:
        folder.joinpath("bin", name).write_text('#!/bin/sh\necho "$0 $*"\n')
        folder.joinpath("bin", name).chmod(0o755)
    told = folder / "told"
    shell, option, text, *words = needs.start(MySQLSpec(flavour="mysql"))
    text = text.replace("$$", "$").replace("/dev/termination-log", str(told))
    done = subprocess.run([shell, option, text, *words], env={"PATH": str(folder / "bin")}, check=False, capture_output=True)
    return done.returncode, told.read_text() if told.exists() else done.stdout.decode()


def test_an_agent_is_started_where_all_programs_are(tmp_path: Path) -> None:
    assert started(tmp_path, list(needs.PROGRAMS["mysql"])) == (0, f"{tmp_path}/bin/python3 -I /agent/agent.pyz agent\n")


def test_programs_that_are_missing_are_named(tmp_path: Path) -> None:
    there = [each for each in needs.PROGRAMS["mysql"] if each not in ("python3", "mysqldump")]
    assert started(tmp_path, there) == (needs.LACKS, "its image lacks mysqldump python3\n")


def test_a_module_of_python_that_is_missing_is_named(tmp_path: Path) -> None:
    """Python without the packages of its installation."""
    program = tmp_path / "agent.pyz"
    program.write_bytes(bundle())
    argv = [sys.executable, "-I", "-S", str(program), "agent"]
    done = subprocess.run(argv, check=False, capture_output=True, env={**os.environ, "FLAVOUR": "mariadb"})
    assert done.returncode == needs.LACKS
    assert done.stderr.decode().splitlines()[-1] == "its image lacks Python's module pymysql"


@pytest.mark.parametrize("state", ["state", "lastState"])
def test_what_an_image_lacks_is_the_reason(state: str) -> None:
    ended: Object = {"exitCode": needs.LACKS, "message": "its image lacks mysqld\n"}
    pod = {"metadata": {"name": "orders-0"}, "status": {"containerStatuses": [{"name": "agent", state: {"terminated": ended}}]}}
    reason, said = trouble.of_pod(pod) or ("", "")
    assert reason == "ImageLacks"
    assert said.startswith("orders-0 cannot run: its image lacks mysqld; ")


@pytest.mark.parametrize("flavour", MADE)
def test_nothing_that_a_member_needs_is_left_out_of_the_platforms_images(flavour: str) -> None:
    left_out = {pattern.rpartition("/")[2] for pattern in MADE[flavour].recipe.left_out}
    assert not left_out & set(needs.PROGRAMS[flavour])
