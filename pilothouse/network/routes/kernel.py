"""The edge to the kernel's main routing table. Everything here blocks: call it in a thread.

Routes carry a protocol number of our own (rtnetlink(7), rtm_protocol), and those of an instance lie in its pod network: by that they are
found again after a restart, and nobody else's is touched.
"""

import ipaddress
import json
import subprocess
from collections.abc import Sequence

from pilothouse.network.routes.config import NodeRoutesConfig
from pilothouse.network.routes.plan import Route

PROTOCOL = "114"
_TIMEOUT_S = 20


class RouteFailure(Exception):
    """The kernel refuses a route, or cannot be asked; the text is ip's own."""


def present(config: NodeRoutesConfig) -> list[Route]:
    """Those that this instance has made. Raises RouteFailure."""
    found = json.loads(_ip("-json", "-4", "route", "show", "proto", PROTOCOL) or "[]")
    routes = [Route(each["dst"], each.get("gateway", "")) for each in found if each["dst"] != "default"]
    return [route for route in routes if ipaddress.IPv4Network(route.destination).subnet_of(config.cluster)]


def add(route: Route) -> None:
    """In the place of another one to the same addresses. Raises RouteFailure."""
    _ip("-4", "route", "replace", route.destination, "via", route.gateway, "proto", PROTOCOL)


def remove(route: Route) -> None:
    """One that is gone already is no error. Raises RouteFailure."""
    try:
        _ip("-4", "route", "delete", route.destination, "proto", PROTOCOL)
    except RouteFailure as failure:
        if "No such process" not in str(failure):
            raise


def teardown(config: NodeRoutesConfig) -> None:
    for route in present(config):
        remove(route)


def _ip(*words: str) -> str:
    command: Sequence[str] = ["ip", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RouteFailure(f"ip has not answered within {_TIMEOUT_S} s: this machine is slow or busy") from error
    except OSError as error:
        raise RouteFailure(f"ip: {error}") from error
    if done.returncode:
        raise RouteFailure(f"{' '.join(words[1:])}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
