"""One cluster for all client tests of a run, in a process of its own; each test works in a namespace of its own."""

import gc
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.kubectl import Api, Kubectl

ROOT = Path(__file__).parents[2]
START_S = 30.0
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's."""
    folder = tmp_path_factory.mktemp("clients")
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.clients.serve", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n", (folder / "server.log").read_text()
            yield folder / "admin.kubeconfig"
        finally:
            server.stdin.close()
            try:
                server.wait(START_S)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Api:
    return Api(kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace in which pods can be made; removed after the test, which nobody waits for."""
    name = f"t{next(_numbers)}"
    api("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    api.until(f"/api/v1/namespaces/{name}/serviceaccounts/default", lambda found: found["kind"] == "ServiceAccount")
    yield name
    api("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def kubectl(kubeconfig: Path, namespace: str) -> Kubectl:
    return Kubectl(kubeconfig, namespace)


@pytest.fixture
def leftovers_collected() -> Iterator[None]:
    """For clients that leave sockets to the garbage collector: it comes while the test's own filters hold."""
    yield
    gc.collect()
