"""What the processes of an instance load before they do anything: it costs memory for as long as they run, and time at each start."""

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; print(*sys.modules)"
# Storage drivers are asked in protobuf by the control plane, too (1.7 MB).
NODES_PARTS = ("grpc", "pilothouse.network", "pilothouse.engine.node.agent", "pilothouse.engine.node.runtime.cri")


def loaded(module: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("pilothouse.cli.daemon.control", (*NODES_PARTS, "pilothouse.platform", "aiohttp")),
        (
            "pilothouse.cli.daemon.node",
            ("aiohttp", "cryptography", "pilothouse.engine.apiserver", "pilothouse.engine.store", "pilothouse.platform"),
        ),
    ],
)
def test_a_process_loads_nothing_of_the_other_one(module: str, spared: tuple[str, ...]) -> None:
    assert not loaded(module).intersection(spared)
