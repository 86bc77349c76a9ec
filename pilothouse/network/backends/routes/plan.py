"""Which routes a node needs for the pods of the others. Pure."""

from pilothouse.network.backends.seam import View
from pilothouse.network.backends.table import Route


def plan(view: View) -> tuple[dict[str, list[Route]], dict[str, str]]:
    """By node: the routes, and why a range of it has none."""
    routes: dict[str, list[Route]] = {}
    problems: dict[str, str] = {}
    for name, peer in view.led_to.items():
        for network in peer.pod_cidrs:
            gateway = peer.address(network.version)
            if gateway is None:
                problems[name] = f"its status has no IPv{network.version} address of type InternalIP, which {network} is reached by"
            else:
                routes.setdefault(name, []).append(Route(str(network), str(gateway), mtu=view.limits.get(name, 0)))
    return routes, problems
