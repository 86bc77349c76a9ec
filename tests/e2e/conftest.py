"""One instance for all end-to-end tests of a run; the machine must look the same before and after it."""

from collections.abc import Iterator

import pytest

from tests.e2e.instance import Instance, require_rights, started


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """With the platform."""
    with started(1) as made:
        yield made
        require_rights(made)


@pytest.fixture(scope="session")
def alone(busybox: str) -> Iterator[Instance]:
    """The cluster alone, without the platform; with `busybox`. Its processes may be killed: each test leaves it at work."""
    with started(3, "--no-platform", images=[busybox]) as made:
        yield made
        require_rights(made)


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
