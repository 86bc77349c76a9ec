"""One cluster with three nodes on this machine for all tests here, and one instance of three members, which each test finds whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig.writers import Plan
from tests.e2e.databases.trio import Trio
from tests.e2e.instance import Instance, require_rights, started


@pytest.fixture(scope="session")
def cluster() -> Iterator[Instance]:
    with started(7, "--nodes", "3") as made:
        yield made
        require_rights(made)


@pytest.fixture(scope="session")
def made(cluster: Instance) -> Trio:
    trio = Trio(cluster, "shop")
    trio.create()
    return trio


@pytest.fixture
def trio(made: Trio) -> Trio:
    made.until_well()
    return made


@pytest.fixture
def plan(trio: Trio, tmp_path: Path, request: pytest.FixtureRequest) -> Plan:
    """Of four writers without a pause, whose rows are known by the test's name."""
    return trio.plan(tmp_path, tag=f"{abs(hash(request.node.nodeid)) % 10**8}")
