"""containerd keeps the promises that the fake runtime is held to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.node.host.cgroups import pod_parent
from pilothouse.engine.node.runtime.cri import CriRuntime
from tests.contracts.runtime import Bench, RuntimeContract
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import BUSYBOX

pytestmark = pytest.mark.containers


class TestContainerd(RuntimeContract):
    @pytest.fixture
    async def bench(self, machine: Machine, tmp_path: Path) -> AsyncIterator[Bench]:
        runtime = CriRuntime(machine.containerd.socket)
        long = ("sh", "-c", "trap 'exit 0' TERM; trap 'exit 130' INT; echo ready; while :; do sleep 0.1; done")
        short = ("sh", "-c", "exit 3")
        yield Bench(runtime, tmp_path, BUSYBOX, BUSYBOX, long, short, pod_parent(machine.config.instance, "contract"), speaks=True)
        await runtime.close()
