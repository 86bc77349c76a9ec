"""What an instance is started with: as asked, out of the way of what is there, and kept from then on."""

from ipaddress import IPv4Network
from typing import Any

from pilothouse.aio.identity import Identity
from pilothouse.cli import output
from pilothouse.cli.cluster import networks, ports
from pilothouse.cli.cluster.neighbours import neighbours
from pilothouse.cli.settings.home import Home, Settings, SettingsError

PORTS = {
    "api_port": ("--port", range(6444, 6543)),
    "http_port": ("--http-port", (8080, *range(8081, 8180))),
    "https_port": ("--https-port", (8443, *range(8444, 8543))),
    "registry_port": ("--registry-port", range(5001, 5100)),
}


def first_settings(home: Home, asked: dict[str, Any]) -> Settings:
    """Ports and networks that were asked for must be free; the others move out of the way of what is there. Raises SettingsError."""
    settings = Settings().changed(**_networks(home, asked)).changed(**asked)
    chosen: dict[str, int] = {}
    for name, (option, others) in PORTS.items():
        wanted = getattr(settings, name)
        host = settings.host_of(name)
        if asked.get(name) is not None:
            ports.refuse_taken(option, host, wanted)
            chosen[name] = wanted
            continue
        chosen[name] = ports.choose(host, wanted, others)
        if chosen[name] != wanted:
            owner = ports.holder(wanted)
            output.note(f"port {wanted} is taken{f' by {owner}' if owner else ''}: using {chosen[name]} instead")
    return settings.changed(**chosen)


def _networks(home: Home, asked: dict[str, Any]) -> dict[str, str]:
    uses = networks.in_use(neighbours(home), networks.route_lines())
    chosen: dict[str, str] = {}
    for name, option, candidates in (
        ("pod_cidr", "--pod-cidr", networks.POD_NETWORKS),
        ("service_cidr", "--service-cidr", networks.SERVICE_NETWORKS),
    ):
        if asked.get(name) is not None:
            _check(option, asked[name], uses)
            continue
        taken = [networks.Use(network, "this instance") for network in _valid(asked.values())]
        chosen[name] = networks.choose(option, candidates, [*uses, *taken])
        if chosen[name] != candidates[0]:
            use = networks.holder(candidates[0], [*uses, *taken])
            output.note(f"network {candidates[0]} is used by {use.holder if use else 'this machine'}: using {chosen[name]} instead")
    return chosen


def _check(option: str, cidr: str, uses: list[networks.Use]) -> None:
    try:
        networks.refuse_used(option, cidr, uses)
    except ValueError:
        return  # No network at all: the settings say so.


def _valid(values: Any) -> list[IPv4Network]:
    found = []
    for value in values:
        if isinstance(value, str) and "/" in value:
            try:
                found.append(IPv4Network(value))
            except ValueError:
                continue
    return found


def next_settings(home: Home, stored: Settings, asked: dict[str, Any]) -> Settings:
    """An instance keeps its networks and its ports; a port may be changed by asking. Raises SettingsError."""
    for name in ("pod_cidr", "service_cidr", "node_name"):
        if asked.get(name) not in (None, getattr(stored, name)):
            option = name.replace("_", "-")
            raise SettingsError(f"this instance was made with --{option} {getattr(stored, name)}, which cannot change: use another --home")
    settings = stored.changed(**asked)
    ours = own_pids(home)
    for name, (option, _) in PORTS.items():
        ports.refuse_taken(option, settings.host_of(name), getattr(settings, name), ours=ours)
    return settings


def own_pids(home: Home) -> set[int]:
    """Processes of the instance that live on when it goes down or is killed, and are taken over by its next start."""
    noted = [Identity.load(path) for path in (home.gateway / "envoy.pid", home.node / "containerd" / "containerd.pid")]
    return {identity.pid for identity in noted if identity is not None and identity.alive()}
