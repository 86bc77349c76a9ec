"""Takes away what the back ends of a node have made on its machine. Blocks."""

from pilothouse.network.backends import table
from pilothouse.network.backends.config import BackendConfig


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    for protocol in (table.ROUTES, table.VXLAN):
        table.withdraw(config, protocol)
