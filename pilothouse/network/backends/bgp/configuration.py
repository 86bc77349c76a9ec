"""BIRD's configuration file as text. Pure.

Whatever comes from objects has been parsed before it gets here: addresses and numbers; names are hashed into BIRD's symbols. The same
sessions give the same text, so that an unchanged configuration is not loaded again, and a change of one part reconfigures that one alone.
Source: BIRD 2.0 User's Guide, chapters 3 (options), 5 (filters), 6 (Kernel, Device, Direct, Static, BGP).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from pilothouse.network.backends.bgp.announcements import Announcement, Group
from pilothouse.network.backends.bgp.routers import PORT, RouterSession
from pilothouse.network.backends.bgp.sessions import NodeSession
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Address, Network

LOG, LOG_BYTES = "bird.log", 1 << 20
RECOVERY_S = 30
"""How long a BIRD that was started again leaves the kernel's routes as they are while its neighbours are being heard."""
CONNECT_S, RETRY_S, ERROR_WAIT_S = 1, 5, (1, 10)
SCAN_S = 10
"""How often BIRD compares the kernel's routes with its own, beside what the kernel tells it at once."""
GROUP = "announced_as"
"""Attribute of a Service's route: which advertisements speak of it (`Announcement.group`)."""
LEARNT_PREFERENCE = 150
"""Of the kernel's routes that are not BIRD's: above that of BGP (100), as they count before BIRD's in the kernel, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """folder: where BIRD writes its log. metric: of the kernel's routes that are BIRD's. own: ranges that this node announces.

    clusters: the addresses of all pods. services: networks of Services' addresses. hosts: addresses of nodes.
    """

    folder: str
    router_id: str
    metric: int
    settings: BGPSettings
    own: tuple[Network, ...]
    clusters: tuple[Network, ...]
    services: tuple[Network, ...] = ()
    hosts: tuple[Address, ...] = ()
    nodes: tuple[NodeSession, ...] = ()
    routers: tuple[RouterSession, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(sorted({each.version for each in self.clusters}))

    def text(self) -> str:
        return "\n".join(_text(self)) + "\n"


def _text(config: Configuration) -> Iterator[str]:
    yield "# Made by Pilothouse from Nodes, the ClusterNetwork and kinds of metallb.io; what is changed here is lost."
    yield f'log "{config.folder}/{LOG}" {LOG_BYTES} "{config.folder}/{LOG}.1" {{ info, warning, error, fatal, auth, bug, remote }};'
    yield f"router id {config.router_id};"
    yield f"graceful restart wait {RECOVERY_S};"
    yield 'timeformat protocol "%s";'
    yield f"attribute int {GROUP};"
    yield f"protocol device {{ scan time {SCAN_S}; }}"
    for version in config.versions:
        yield from _kernel(config, version)
        yield from _own(config, version)
        yield from _services(config, version)
    yield from _template(config.settings)
    for node in config.nodes:
        yield from _node(node, config)
    for router in config.routers:
        yield from _router(router, config)


def _kernel(config: Configuration, version: int) -> Iterator[str]:
    """Learnt are the routes by which next hops are reached, whoever made them; pods' addresses come by BGP alone."""
    clusters = _prefixes((each for each in config.clusters if each.version == version), "+")
    yield f"protocol direct links{version} {{ ipv{version} {{ import where !(net ~ {clusters}); }}; }}"
    yield f"protocol kernel kernel{version} {{"
    yield f"  scan time {SCAN_S}; learn; persist; graceful restart; metric {config.metric};"
    yield f"  ipv{version} {{"
    yield f"    import filter {{ if net ~ {clusters} then reject; preference = {LEARNT_PREFERENCE}; accept; }};"
    yield f'    export where source = RTS_BGP || proto = "own{version}";'
    yield "  };"
    yield "}"


def _own(config: Configuration, version: int) -> Iterator[str]:
    """A packet to an address of the range that no pod has ends here, instead of going back and forth between two nodes."""
    yield f"protocol static own{version} {{"
    yield f"  ipv{version};"
    yield from (f"  route {each} blackhole;" for each in config.own if each.version == version)
    yield "}"


def _services(config: Configuration, version: int) -> Iterator[str]:
    """These stay out of the kernel: its packets to Services are translated before they are routed."""
    yield f"protocol static services{version} {{"
    yield f"  ipv{version};"
    for each in config.announcements:
        if each.version == version:
            yield f"  route {each.prefix} blackhole {{ {GROUP} = {each.group}; }};"
    yield "}"


def _template(settings: BGPSettings) -> Iterator[str]:
    yield "template bgp node {"
    yield f"  hold time {settings.hold_s}; keepalive time {settings.keepalive_s};"
    yield from _patience(settings.restart_s)
    yield "  multihop;"
    yield "}"


def _patience(restart_s: int) -> Iterator[str]:
    yield f"  connect delay time {CONNECT_S}; connect retry time {RETRY_S}; error wait time {ERROR_WAIT_S[0]}, {ERROR_WAIT_S[1]};"
    yield f"  graceful restart on; graceful restart time {restart_s};"


def _node(session: NodeSession, config: Configuration) -> Iterator[str]:
    version, settings = session.address.version, config.settings
    local = f"{session.local} " if session.local is not None else ""
    yield f"protocol bgp {session.name} from node {{"
    yield f'  description "{session.node}";'
    yield f"  local {local}port {settings.listen_port} as {settings.as_number};"
    if local:
        yield "  strict bind on;"
    yield f"  neighbor {session.address} port {settings.listen_port} as {settings.as_number};"
    if session.is_client:
        yield f"  rr client; rr cluster id {settings.cluster_id};"
    yield f"  ipv{version} {{"
    if session.is_next_hop:
        yield "    next hop self;"
    yield f"    import where {_among(session.accepted)};"
    # Filtered already: a node that says more than its own is misconfigured, or not what it seems.
    yield f"    receive limit {max(len(session.accepted) + 16, 64)} action restart;"
    yield f'    export where proto = "own{version}" || source = RTS_BGP;'
    yield "  };"
    yield "}"


def _router(session: RouterSession, config: Configuration) -> Iterator[str]:
    version, settings = session.address.version, config.settings
    local = f"{session.local} " if session.local is not None else ""
    yield f"protocol bgp {session.name} {{"
    yield f'  description "{session.peer}";'
    # Not the port at which nodes take each other's sessions: a change of that one is none of the routers' business.
    yield f"  local {local}port {PORT} as {session.own_as};"
    if local:
        yield "  strict bind on;"
    yield f"  neighbor {session.address} port {session.port} as {session.remote_as};"
    yield f"  hold time {session.hold_s}; keepalive time {session.keepalive_s};"
    yield from _patience(settings.restart_s)
    yield "  multihop;" if session.is_multihop else "  direct;"
    if session.password:
        yield f'  password "{session.password}";'
    yield f"  ipv{version} {{"
    yield f"    import {_believed(config, version)};"
    yield f"    receive limit {settings.most_prefixes} action restart;"
    yield "    export filter {"
    yield from (f"      {line}" for line in _told(session, config))
    yield "      reject;"
    yield "    };"
    yield "  };"
    yield "}"


def _believed(config: Configuration, version: int) -> str:
    """What of a router's routes comes in: whatever it says, pods and nodes are where nodes say that they are.

    The way to a node is taken from it by the default route alone, which counts where the kernel has no other one. Only those nodes stand
    in the filter that could be meant: it is the same for every other set of nodes.
    """
    accepted = [each for each in config.settings.accepted if each.version == version]
    if not accepted:
        return "none"
    kept = _prefixes((each for each in (*config.clusters, *config.services) if each.version == version), "+")
    conditions = [f"net ~ {_prefixes(accepted, '+')}", f"!(net ~ {kept})"]
    hosts = sorted({each for each in config.hosts if any(each in network for network in accepted)})
    if hosts:
        conditions.append(f"!(net ~ {_prefixes((ip_network(each) for each in hosts), f'{{1,{hosts[0].max_prefixlen}}}')})")
    return f"where {' && '.join(conditions)}"


def _told(session: RouterSession, config: Configuration) -> Iterator[str]:
    """What a router is told: pods' ranges, and of Services what the advertisements say that are for it."""
    version = session.address.version
    if config.settings.announces_pods:
        yield f'if proto = "own{version}" then accept;'
        ranges = {network for each in config.nodes for network in each.accepted if each.is_client and network.version == version}
        if ranges:
            yield f"if source = RTS_BGP && {_among(sorted(ranges, key=_order))} then accept;"
    for group in config.groups:
        lines = group.lines(session.peer, is_internal=session.own_as == session.remote_as)
        if lines is not None:
            yield f'if proto = "services{version}" && {GROUP} = {group.number} then {{ {" ".join((*lines, "accept;"))} }}'


def _among(networks: Sequence[Network]) -> str:
    return f"net ~ {_prefixes(networks)}" if networks else "false"


def _prefixes(networks: Iterable[Network], suffix: str = "") -> str:
    return f"[ {', '.join(f'{each}{suffix}' for each in networks)} ]"


def _order(network: Network) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen
