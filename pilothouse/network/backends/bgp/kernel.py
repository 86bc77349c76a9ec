"""BIRD's routes in the kernel, which outlive it. Blocks.

They carry BIRD's protocol number (rtnetlink(7)) and a metric of this instance's own, so that another BIRD of the machine, and those of
other instances, neither sees nor touches them. The metric is above those of other routes: what another back end has made counts before.
"""

import zlib
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from pilothouse.network.backends.config import BackendConfig, Network
from pilothouse.network.backends.table import ip, listed

FIRST_METRIC, METRICS = 40_000, 20_000
_FAMILIES = ("-4", "-6")


def metric(config: BackendConfig) -> int:
    return FIRST_METRIC + zlib.crc32(config.instance.encode()) % METRICS


def present(config: BackendConfig) -> set[Network]:
    """Where its routes lead to, but for those that lead nowhere. Raises BackendFailure."""
    return {ip_network(each["dst"]) for family in _FAMILIES for each in _routes(family, config) if each.get("type") != "blackhole"}


def are_there(config: BackendConfig) -> bool:
    """Raises BackendFailure."""
    return any(True for family in _FAMILIES for _ in _routes(family, config))


def withdraw(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    for family in _FAMILIES:
        for route in _routes(family, config):
            kind = [route["type"]] if "type" in route else []
            ip(family, "route", "delete", *kind, route["dst"], "proto", "bird", "metric", str(metric(config)))


def _routes(family: str, config: BackendConfig) -> Iterator[Any]:
    own = metric(config)
    for each in listed("ip", "-json", family, "route", "show", "proto", "bird"):
        if each.get("metric") == own:
            yield each if each["dst"] != "default" else {**each, "dst": "0.0.0.0/0" if family == "-4" else "::/0"}
