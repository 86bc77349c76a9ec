"""The edge to the kernel's main routing table. Everything here blocks: call it in a thread.

Routes carry a protocol number of our own (rtnetlink(7), rtm_protocol), one for each back end, and those of an instance lie in its pod
network: by that they are found again after a restart, and nobody else's is touched. The same destination has one route whichever back end
made it: `replace` takes the place of another one's without a moment in between.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from pilothouse.linux.route_protocols import ENCRYPTED, THROUGH_TUNNELS, TO_NODES
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.seam import BackendFailure

ROUTES, VXLAN, WIREGUARD = str(TO_NODES), str(THROUGH_TUNNELS), str(ENCRYPTED)
_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Route:
    """To the addresses of a node's pods. destination: a CIDR. device: with it, the gateway is taken to be on that link.

    gateway "": the link alone leads there. mtu: the largest packet in bytes; 0: what the link carries.
    """

    destination: str
    gateway: str
    device: str = ""
    mtu: int = 0

    @property
    def family(self) -> str:
        return "-6" if ":" in self.destination else "-4"


def present(config: BackendConfig, protocol: str) -> list[Route]:
    """Those that this instance has made. Raises BackendFailure."""
    return [route for family in ("-4", "-6") for route in _present(family, protocol) if config.holds(ip_network(route.destination))]


def _present(family: str, protocol: str) -> list[Route]:
    found = listed("ip", "-json", family, "route", "show", "proto", protocol)
    # Another instance of the machine may have routes that lead nowhere: those have no device.
    return [_shown(each) for each in found if each["dst"] != "default" and "dev" in each]


def _shown(route: Any) -> Route:
    """The device only where it was given: of others the kernel has found it out."""
    device = route["dev"] if "onlink" in route.get("flags", ()) or "gateway" not in route else ""
    mtu = next((each["mtu"] for each in route.get("metrics", ()) if "mtu" in each), 0)
    return Route(str(ip_network(route["dst"])), route.get("gateway", ""), device, mtu)


def limits(config: BackendConfig) -> dict[str, int]:
    """By destination, what packets are held to. Raises BackendFailure."""
    return {route.destination: route.mtu for protocol in (ROUTES, VXLAN, WIREGUARD) for route in present(config, protocol) if route.mtu}


def reconcile(wanted: dict[str, list[Route]], config: BackendConfig, protocol: str) -> dict[str, str]:
    """wanted: by node. Why a node's route was refused, by node. Old routes go first: a range may have passed to another node."""
    there = present(config, protocol)
    kept = {route for routes in wanted.values() for route in routes}
    destinations = {route.destination for route in kept}
    for route in there:
        if route.destination not in destinations:
            remove(route, protocol)
    known = set(there)
    new = {node: [route for route in routes if route not in known] for node, routes in wanted.items()}
    try:
        batch("ip", [" ".join(_putting(route, protocol)) for routes in new.values() for route in routes])
    except BackendFailure:
        return _one_by_one(new, there, protocol)
    return {}


def _one_by_one(wanted: dict[str, list[Route]], there: Sequence[Route], protocol: str) -> dict[str, str]:
    """Which routes are refused, by node, and why. What led elsewhere before is not left behind where the new one was refused."""
    refused = {}
    for node, routes in wanted.items():
        for route in routes:
            try:
                put(route, protocol)
            except BackendFailure as failure:
                refused[node] = str(failure)
                for old in there:
                    if old.destination == route.destination:
                        remove(old, protocol)
    return refused


def put(route: Route, protocol: str) -> None:
    """In the place of another one to the same addresses. Raises BackendFailure."""
    ip(route.family, *_putting(route, protocol))


def _putting(route: Route, protocol: str) -> list[str]:
    way = ["via", route.gateway] if route.gateway else []
    device = ["dev", route.device] if route.device else []
    onlink = ["onlink"] if route.device and route.gateway else []
    mtu = ["mtu", str(route.mtu)] if route.mtu else []
    return ["route", "replace", route.destination, *way, *device, *onlink, "proto", protocol, *mtu]


def remove(route: Route, protocol: str) -> None:
    """One that is gone already is no error. Raises BackendFailure."""
    try:
        ip(route.family, "route", "delete", route.destination, "proto", protocol)
    except BackendFailure as failure:
        if "No such process" not in str(failure):
            raise


def withdraw(config: BackendConfig, protocol: str) -> None:
    """All of an instance that one back end has made."""
    for route in present(config, protocol):
        remove(route, protocol)


def ip(*words: str) -> str:
    """Raises BackendFailure with ip's own words."""
    return run("ip", *words)


def listed(*command: str) -> list[Any]:
    """What a program lists when it is asked for JSON. Raises BackendFailure, also where that is no JSON."""
    text = run(*command)
    try:
        found: list[Any] = json.loads(text or "[]")
    except ValueError as error:
        raise BackendFailure(f"{' '.join(command)}: the answer is not understood: {error}") from error
    return found


def batch(program: str, lines: Sequence[str]) -> None:
    """Lines for `ip -batch` or `bridge -batch`. Each is tried; raises BackendFailure for the first that is refused."""
    if lines:
        run(program, "-force", "-batch", "-", text="\n".join(lines) + "\n")


def run(*command: str, text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BackendFailure(f"{command[0]} has not answered within {_TIMEOUT_S} s: this machine is slow or busy") from error
    except OSError as error:
        raise BackendFailure(f"{command[0]}: {error}") from error
    if done.returncode:
        asked = command[0] if text else " ".join(command)
        raise BackendFailure(f"{asked}: {' '.join(done.stderr.split())[:300] or f'exit status {done.returncode}'}")
    return done.stdout
