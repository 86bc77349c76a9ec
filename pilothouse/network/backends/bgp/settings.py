"""What a ClusterNetwork asks of BGP (`spec.bgp`). Pure."""

from dataclasses import dataclass
from ipaddress import ip_network

from pilothouse.model.json import Object
from pilothouse.model.selector import NOTHING, Selector, SelectorError, from_label_selector
from pilothouse.network.backends.config import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class BGPSettings:
    """reflectors: the nodes that hand on what the others announce; None for no reflectors. selector_problem: why their selector selects
    nothing, "" for one that is understood. Times in seconds.

    restart_s: how long a node's routes are kept by others while its BIRD is being restarted (RFC 4724, Restart Time).
    announced: networks of cluster and external IPs, which every node says that it is the way to. accepted: networks inside of which
    routers outside may announce routes to nodes. most_prefixes: of one such router.
    """

    as_number: int = 64512
    node_mesh: bool = True
    listen_port: int = 179
    reflectors: Selector | None = None
    selector_problem: str = ""
    cluster_id: str = "224.0.0.1"
    hold_s: int = 90
    keepalive_s: int = 30
    restart_s: int = 120
    accepted: tuple[Network, ...] = ()
    most_prefixes: int = 1000
    announces_pods: bool = True
    announced: tuple[Network, ...] = ()

    @classmethod
    def of(cls, spec: Object) -> "BGPSettings":
        """spec: of a ClusterNetwork, which its schema has checked; what is left out has its default."""
        bgp = spec.get("bgp") or {}
        reflectors, announced, own = bgp.get("routeReflectors") or {}, bgp.get("announce") or {}, cls()
        hold_s = bgp.get("holdTimeSeconds", own.hold_s)
        selector, problem = _selector(reflectors)
        return cls(
            as_number=bgp.get("asNumber", own.as_number),
            node_mesh=bgp.get("nodeMesh", own.node_mesh),
            listen_port=bgp.get("listenPort", own.listen_port),
            reflectors=selector,
            selector_problem=problem,
            cluster_id=reflectors.get("clusterID", own.cluster_id),
            hold_s=hold_s,
            keepalive_s=bgp.get("keepaliveTimeSeconds", max(hold_s // 3, 1)),
            restart_s=bgp.get("gracefulRestartSeconds", own.restart_s),
            accepted=tuple(ip_network(each) for each in bgp.get("acceptedNetworks") or ()),
            most_prefixes=bgp.get("maxPrefixes", own.most_prefixes),
            announces_pods=announced.get("podNetworks", own.announces_pods),
            announced=tuple(ip_network(each) for key in ("clusterIPs", "externalIPs") for each in announced.get(key) or ()),
        )


def _selector(reflectors: Object) -> tuple[Selector | None, str]:
    """What selects the reflectors, and why it selects nothing. A schema cannot tell what is no label."""
    if "nodeSelector" not in reflectors:
        return None, ""
    try:
        return from_label_selector(reflectors["nodeSelector"]), ""
    except SelectorError as error:
        return NOTHING, str(error)
