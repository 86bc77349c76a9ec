"""Gives up what an instance has announced."""

import structlog

from pilothouse.linux import interfaces
from pilothouse.linux.interfaces import InterfaceFailure
from pilothouse.network.announce import rules
from pilothouse.network.announce.config import AnnouncerConfig

log = structlog.get_logger("network.announce")


def teardown(config: AnnouncerConfig) -> None:
    """Give up what this instance's table names, and the table. Blocks."""
    held = rules.held(config.table)
    try:
        links = interfaces.links() if held else []
        ours = [(link.index, each.interface.ip) for link in links for each in link.addresses if each.is_ours and each.interface.ip in held]
        for address, why in interfaces.drop(ours).items():
            log.warning("address of a load balancer not given up", address=str(address), error=why)
    except InterfaceFailure as failure:
        # What is left goes by itself when its lifetime ends.
        log.warning("addresses of load balancers not given up", error=str(failure))
    rules.teardown(config.table)
