"""What an instance is started with: as asked, out of the way of what is there, and kept from then on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from pilothouse.aio.identity import Identity
from pilothouse.cli import output
from pilothouse.cli.cluster import networks, node_names, ports, scheduler_profiles
from pilothouse.cli.cluster.neighbours import neighbours
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.cli.settings.networks import LONGEST_SHARED, NetworkError, are_shared, first_ranges, parse
from pilothouse.model.networks import Network, shown, split
from pilothouse.model.networks import families as families_of
from pilothouse.model.networks import of as networks_of

PORTS = {
    "api_port": ("--port", range(6444, 6543)),
    "http_port": ("--http-port", (8080, *range(8081, 8180))),
    "https_port": ("--https-port", (8443, *range(8444, 8543))),
    "registry_port": ("--registry-port", range(5001, 5100)),
    "kubelet_port": ("--kubelet-port", range(10260, 10360)),
}


def option(setting: str) -> str:
    """Of `ph up`, by which the setting is chosen."""
    return PORTS[setting][0] if setting in PORTS else f"--{setting.replace('_', '-')}"


def first_settings(home: Home, asked: dict[str, Any]) -> Settings:
    """Ports and networks that were asked for must be free; the others move out of the way of what is there. Raises SettingsError."""
    stated = {name: value for name, value in asked.items() if value is not None}
    named = {"node_name": node_names.chosen(asked.get("node_name"))}
    settings = Settings().changed(**_networks(home, asked) | stated | named)
    networks.require_families(settings.families)
    _check_addresses(settings)
    scheduler_profiles.check(home, settings)
    given = {name: int(asked[name]) for name in PORTS if asked.get(name) is not None}
    _refuse_one_port_twice(given, asked)
    chosen: dict[str, int] = {}
    for name, (_, others) in PORTS.items():
        wanted = getattr(settings, name)
        host = settings.host_of(name)
        if asked.get(name) is not None:
            ports.refuse_taken(option(name), host, wanted)
            chosen[name] = wanted
            continue
        chosen[name] = ports.choose(host, wanted, others, given={*given.values(), *chosen.values()})
        if chosen[name] != wanted:
            owner = ports.holder(wanted)
            output.note(f"port {wanted} is taken{f' by {owner}' if owner else ''}: using {chosen[name]} instead")
    return settings.changed(**chosen, node_cidr=shown(first_ranges(settings.pod_networks)))


def _check_addresses(settings: Settings) -> None:
    """Raises SettingsError when a server is to listen where this machine is not."""
    instead = [("--listen", settings.listen, "0.0.0.0 for all of them")]
    instead += [("--api-listen", address, "'' for none") for address in split(settings.api_listen)]
    for named, address, other in instead:
        if not ports.is_of_this_machine(address):
            raise SettingsError(
                f"{named} {address} is no address of this machine: give one that `ip address` shows, or {other}, with {named}"
            )


def _refuse_one_port_twice(wanted: Mapping[str, int], asked: Mapping[str, Any]) -> None:
    """wanted: ports that do not move out of the way. Raises SettingsError when one of those asked for is another's already."""
    for name, port in wanted.items():
        if asked.get(name) is not None and (others := [other for other in wanted if other != name and wanted[other] == port]):
            raise SettingsError(f"{option(name)} {port} is the port of {option(others[0])} already: each takes one of its own")


def with_nodes_network(home: Home, settings: Settings) -> Settings:
    """With a network between the nodes of this machine. Raises SettingsError where there are no addresses for pods of further nodes."""
    if not are_shared(settings.pod_networks, networks_of(settings.node_cidr)):
        least = " and ".join(f"/{LONGEST_SHARED[network.version]}" for network in settings.pod_networks)
        raise SettingsError(
            f"all of the pod network {settings.pod_cidr} is the first node's: several nodes take a new instance, with a --pod-cidr of at "
            f"least a {least}"
        )
    if settings.nodes_cidr:
        return settings
    uses = [
        *networks.in_use(neighbours(home), networks.routed()),
        *(networks.Use(network, "this instance") for network in (*settings.pod_networks, *settings.service_networks)),
    ]
    chosen = (networks.choose("--pod-cidr", networks.NODES_NETWORKS[family], uses) for family in settings.families)
    return settings.changed(nodes_cidr=shown(chosen))


def _networks(home: Home, asked: dict[str, Any]) -> dict[str, str]:
    """Those that were not asked for: of the families of those that were, else of IPv4."""
    uses = networks.in_use(neighbours(home), networks.routed())
    stated = {name: _stated(name, asked[name]) for name in ("pod_cidr", "service_cidr") if asked.get(name) is not None}
    for name, found in stated.items():
        networks.refuse_used(option(name), found, uses)
    families = next((families_of(found) for found in stated.values() if found), ("IPv4",))
    uses += [networks.Use(network, "this instance") for found in stated.values() for network in found]
    chosen: dict[str, str] = {}
    for name, candidates in (("pod_cidr", networks.POD_NETWORKS), ("service_cidr", networks.SERVICE_NETWORKS)):
        if name not in stated:
            chosen[name] = shown(_choose(option(name), candidates[family], uses) for family in families)
    return chosen


def _choose(named: str, candidates: Sequence[str], uses: Sequence[networks.Use]) -> str:
    found = networks.choose(named, candidates, uses)
    if found != candidates[0]:
        use = next((use for network in networks_of(candidates[0]) if (use := networks.holder(network, uses)) is not None), None)
        output.note(f"network {candidates[0]} is used by {use.holder if use else 'this machine'}: using {found} instead")
    return found


def _stated(name: str, text: str) -> tuple[Network, ...]:
    """Raises SettingsError."""
    try:
        return parse(name.replace("_", "-"), text)
    except NetworkError as error:
        raise SettingsError(str(error)) from error


def refuse_misspelt(home: Home) -> None:
    """What is no setting would be lost when the file is written anew, and with it what somebody wanted. Raises SettingsError."""
    for name in Settings.unknown(home):
        near = get_close_matches(name, [each.name for each in fields(Settings)], 1, 0.8)
        if near:
            raise SettingsError(f"{home.settings}: there is no setting {name}: did you mean {near[0]}?")
        output.note(f"{home.settings}: this version has no setting {name}: it is left out")


def next_settings(home: Home, stored: Settings, asked: dict[str, Any]) -> Settings:
    """An instance keeps its networks and its ports; a port may be changed by asking. Raises SettingsError."""
    if stored.server:
        if given := [name for name, value in asked.items() if value is not None]:
            raise SettingsError(f"this home is a node of the cluster at {stored.server}: `ph up` starts it, without {option(given[0])}")
        return stored
    for name in ("pod_cidr", "service_cidr", "node_name"):
        if asked.get(name) not in (None, getattr(stored, name)):
            raise SettingsError(
                f"this instance was made with {option(name)} {getattr(stored, name)}, which cannot change: use another --home"
            )
    refuse_misspelt(home)
    networks.require_families(stored.families)
    settings = stored.changed(**_new_ports(home, stored, asked)).changed(**asked)
    _check_addresses(settings)
    scheduler_profiles.check(home, settings)
    _refuse_one_port_twice({name: getattr(settings, name) for name in PORTS}, asked)
    ours = own_pids(home)
    for name in PORTS:
        ports.refuse_taken(option(name), settings.host_of(name), getattr(settings, name), ours=ours)
    return settings


def _new_ports(home: Home, stored: Settings, asked: dict[str, Any]) -> dict[str, int]:
    """Ports that an earlier version did not know when it made this instance: they have been promised to nobody, so they move."""
    known = json.loads(home.settings.read_text())
    missing = [name for name in PORTS if name not in known and asked.get(name) is None]
    return {name: ports.choose(stored.host_of(name), getattr(stored, name), PORTS[name][1]) for name in missing}


def own_pids(home: Home) -> set[int]:
    """Processes of the instance that live on when it goes down or is killed, and are taken over by its next start."""
    noted = [Identity.load(path) for path in (home.gateway / "envoy.pid", home.node / "containerd" / "containerd.pid")]
    return {identity.pid for identity in noted if identity is not None and identity.alive()}
