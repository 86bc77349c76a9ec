"""Takes away what the back ends of a node have made on its machine. Blocks."""

from pilothouse.network.backends import table
from pilothouse.network.backends.bgp.teardown import teardown as remove_bird
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.vxlan import kernel as vxlan
from pilothouse.network.backends.wireguard import kernel as wireguard


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    table.withdraw(config, table.ROUTES)
    vxlan.teardown(config)
    wireguard.teardown(config)
    remove_bird(config)
