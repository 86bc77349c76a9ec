"""One instance for all end-to-end tests of a run; the machine must look the same before and after it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import Instance
from tests.e2e.machine import Machine, look
from tests.uses import note, of_metrics


@pytest.fixture(scope="session")
def machine_before() -> Machine:
    return look()


@pytest.fixture(scope="session")
def instance(machine_before: Machine) -> Iterator[Instance]:
    """With the platform."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it starts real containers")
    home = Path(tempfile.mkdtemp(prefix="pht-e2e-"))
    made = Instance(home, 1)
    try:
        made.up()
        yield made
        allowed, refused = of_metrics(made.kubectl("get", "--raw", "/metrics").stdout)
        note(allowed)
        assert not refused, f"parts of the cluster lack rights: {refused}"
    finally:
        made.ph("destroy", "--yes", check=False)
        shutil.rmtree(home, ignore_errors=True)
        left = look().added_since(machine_before)
        assert not left, f"the instance left something behind: {left}"


@pytest.fixture(scope="session")
def busybox() -> str:
    """Name of an image with a shell, for `Instance.load_image`."""
    return "docker.io/test/busybox:1"


@pytest.fixture
def namespace(instance: Instance, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"t-{abs(hash(request.node.nodeid)) % 10**8}"
    instance.kubectl("create", "namespace", name)
    yield name
    instance.kubectl("delete", "namespace", name, "--wait=false", check=False)
