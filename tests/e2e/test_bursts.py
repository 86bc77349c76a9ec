"""What kubectl shows of a container that ends in the middle of a burst of output: every byte, and the exit code."""

import pytest

from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
IMAGE = "docker.io/test/busybox:1"
TIMES, OFTEN = 20, 2
LINES = 60_000
EVERYTHING = "y\n" * LINES
BURST = f"yes | head -n {LINES} >/tmp/x; read line; dd if=/tmp/x bs=65536 2>/dev/null; exit 7"


@pytest.mark.parametrize("number", [*range(OFTEN), *(pytest.param(each, marks=pytest.mark.slow) for each in range(OFTEN, TIMES))])
def test_kubectl_run_and_logs_show_everything_and_the_exit_code(alone: Instance, number: int) -> None:
    name = f"burst-{number}"
    options = [f"--image={IMAGE}", "--restart=Never", "-i", "-q", "--command", "--", "sh", "-c", BURST]
    done = alone.kubectl("run", name, *options, check=False, input="go\n")
    assert (done.stdout, done.returncode) == (EVERYTHING, 7)
    assert alone.kubectl("logs", name).stdout == EVERYTHING
    alone.kubectl("delete", "pod", name, "--now", "--wait=false")
