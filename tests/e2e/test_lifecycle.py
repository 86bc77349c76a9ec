"""An instance's own life: down and up, crashes, several side by side, and nothing left at the end."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.instance import Instance, eventually, fresh
from tests.e2e.machine import look

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
SLEEPER = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: "IMAGE", command: ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]}
"""


@pytest.fixture
def second(instance: Instance) -> Iterator[Instance]:
    """Another instance beside the first one, without the platform."""
    with fresh(2) as made:
        yield made


def container_ids(instance: Instance) -> list[str]:
    pod = instance.get("pod", "sleeper")
    return [status["containerID"] for status in pod["status"]["containerStatuses"]]


def run_sleeper(instance: Instance, image: str) -> None:
    instance.kubectl("apply", "-f", "-", input=SLEEPER.replace("IMAGE", image))
    instance.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s")


@pytest.mark.slow
def test_two_instances_run_side_by_side_and_one_leaves_without_a_trace(instance: Instance, second: Instance, busybox: str) -> None:
    before = look(second.home)
    second.up("--no-platform")
    assert [n["status"]["conditions"][-1]["status"] for n in second.get("nodes")["items"]] == ["True"]
    second.load_image(busybox)
    run_sleeper(second, busybox)
    assert instance.get("pods", "-A")["items"] is not None
    second.destroy()
    assert look(second.home).added_since(before) == {}
    assert not second.home.exists()
    assert instance.ph("status").returncode == 0


def test_containers_survive_down_and_up_and_kill_9(second: Instance, busybox: str) -> None:
    second.up("--no-platform")
    second.load_image(busybox)
    run_sleeper(second, busybox)
    ids = container_ids(second)
    second.ph("down")
    assert second.ph("status", check=False).returncode == 1
    second.up("--no-platform")
    assert container_ids(second) == ids
    os.kill(second.daemon_pid, signal.SIGKILL)
    eventually(lambda: second.kubectl("get", "nodes", check=False).returncode == 0)
    eventually(lambda: container_ids(second) == ids)
    pod = second.get("pod", "sleeper")
    assert [s["restartCount"] for s in pod["status"]["containerStatuses"]] == [0]


def test_a_second_up_is_refused_with_a_sentence(instance: Instance) -> None:
    again = instance.up(check=False)
    assert again.returncode == 1
    assert "runs already" in again.stderr
    assert instance.up("--if-needed").returncode == 0


def test_a_port_that_is_taken_is_named_with_its_holder(instance: Instance, second: Instance) -> None:
    refused = second.ph("up", "--port", str(instance.api_port), check=False)
    assert refused.returncode == 1
    assert f"port {instance.api_port} is taken" in refused.stderr
    assert "--port" in refused.stderr
    assert not second.home.joinpath("settings.json").exists()


@pytest.mark.slow
def test_a_damaged_store_is_named_and_nothing_is_overwritten(second: Instance) -> None:
    second.up("--no-platform")
    second.ph("down")
    store = second.home / "store.db"
    for extra in second.home.glob("store.db-*"):
        extra.unlink()
    store.write_bytes(b"not a database at all" * 500)
    refused = second.up("--no-platform", check=False)
    assert refused.returncode == 1
    assert "store.db" in refused.stderr
    assert store.read_bytes().startswith(b"not a database")


def test_up_without_root_says_so(second: Instance) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    import subprocess

    from tests.e2e.instance import BIN

    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", str(BIN / "ph"), "--home", "/tmp/pht-nobody", "up"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs root" in done.stderr
