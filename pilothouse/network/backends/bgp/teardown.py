"""Takes away the BIRD of a node that is being removed, and its routes. Blocks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pilothouse.network.backends.bgp import kernel
from pilothouse.network.backends.bgp.process import Bird
from pilothouse.network.backends.config import BackendConfig


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    # The caller may be inside an event loop, in whose thread no other one can run.
    with ThreadPoolExecutor(1, "bird") as thread:
        thread.submit(asyncio.run, Bird(config).end()).result()
    kernel.withdraw(config)
