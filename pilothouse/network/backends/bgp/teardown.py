"""Takes away the BIRD of a node that is being removed, and its routes. Blocks."""

import asyncio

from pilothouse.network.backends.bgp import kernel
from pilothouse.network.backends.bgp.process import Bird
from pilothouse.network.backends.config import BackendConfig


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    asyncio.run(Bird(config).end())
    kernel.withdraw(config)
