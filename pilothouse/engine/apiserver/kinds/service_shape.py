"""The pure part of a Service's allocation: which addresses and ports a type has, and what an update inherits or drops.

An update may leave out what was allocated (it is kept) and may change the type without clearing what the old type had (it is
dropped). What is still missing afterwards is for the allocator to fill.
Source: pkg/registry/core/service/storage/storage.go, strategy.go.
"""

from pilothouse.model.json import Object

HEADLESS = "None"
CLUSTER_FAMILIES = ("IPv4",)
"""What the cluster's own addresses are of; the first is the default."""

BOTH_FAMILIES = ("IPv4", "IPv6")
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


def has_cluster_ip(spec: Object) -> bool:
    return spec.get("type") in ("ClusterIP", *WITH_NODE_PORTS)


def is_headless(spec: Object) -> bool:
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return len(addresses) == 1 and addresses[0] == HEADLESS


def has_node_ports(spec: Object) -> bool:
    return spec.get("type") == "NodePort" or (spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def is_exposed(spec: Object) -> bool:
    """Whether clients outside the cluster may reach it."""
    return spec.get("type") in WITH_NODE_PORTS or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def has_health_port(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def sync_addresses(spec: Object, old: Object | None = None) -> None:
    """Make `clusterIP` and `clusterIPs` agree; whichever the client changed wins."""
    single, several = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if old is None:
        if single and not several:
            spec["clusterIPs"] = [single]
        return
    was_single, was_several = old.get("clusterIP") or "", old.get("clusterIPs") or []
    if single != was_single:
        if several == was_several:
            _put(spec, "clusterIPs", [single] if single else [])
    elif several != was_several:
        _put(spec, "clusterIP", several[0] if several else "")


def _put(spec: Object, name: str, value: object) -> None:
    if value:
        spec[name] = value
    else:
        spec.pop(name, None)


def choose_families(spec: Object) -> None:
    """Fill in families and policy: the cluster's own, unless nobody but the service's maker knows what is behind it.

    Addresses that are stated and of no family of the cluster, or several of one, leave the families out.
    """
    if not has_cluster_ip(spec):
        return
    families = list(spec.get("ipFamilies") or ())
    if leads_nowhere(spec):
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "RequireDualStack"
        families = families or [CLUSTER_FAMILIES[0]]
        if spec["ipFamilyPolicy"] != "SingleStack":
            families += [family for family in BOTH_FAMILIES if family not in families]
    else:
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
        if not families:
            families = [family_of(address) for address in spec.get("clusterIPs") or () if address != HEADLESS]
            if any(family not in CLUSTER_FAMILIES for family in families) or len(set(families)) < len(families):
                return
    spec["ipFamilies"] = families or [CLUSTER_FAMILIES[0]]


def leads_nowhere(spec: Object) -> bool:
    """Headless and without a selector: its endpoints are somebody else's to write."""
    return is_headless(spec) and not spec.get("selector")


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def inherit_allocated(spec: Object, old: Object) -> None:
    """Keep what the client did not mention of what was allocated before."""
    if has_cluster_ip(spec) and has_cluster_ip(old):
        for name in ("clusterIP", "clusterIPs"):
            if not spec.get(name) and old.get(name):
                spec[name] = old[name]
        if spec.get("ipFamilyPolicy") is None and old.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = old["ipFamilyPolicy"]
    if has_node_ports(spec) and has_node_ports(old):
        _inherit_node_ports(spec, old)
    if has_health_port(spec) and has_health_port(old) and not spec.get("healthCheckNodePort"):
        _put(spec, "healthCheckNodePort", old.get("healthCheckNodePort"))


def _inherit_node_ports(spec: Object, old: Object) -> None:
    known = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports") or ()}
    taken = {(port.get("protocol"), port.get("nodePort")) for port in spec.get("ports") or () if port.get("nodePort")}
    for port in spec.get("ports") or ():
        before = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and before and (port.get("protocol"), before) not in taken:
            port["nodePort"] = before


def drop_unused(spec: Object, old: Object) -> None:
    """Drop what the old type had and the new one has not, when the client left it as it was."""
    if has_cluster_ip(old) and not has_cluster_ip(spec):
        _drop_unchanged(spec, old, ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"))
    if has_node_ports(old) and not has_node_ports(spec) and _node_ports(spec) == _node_ports(old):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if has_health_port(old) and not has_health_port(spec):
        _drop_unchanged(spec, old, ("healthCheckNodePort",))
    if old.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        _drop_unchanged(spec, old, ("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    if is_exposed(old) and not is_exposed(spec):
        _drop_unchanged(spec, old, ("externalTrafficPolicy",))
    if has_cluster_ip(old) and not has_cluster_ip(spec):
        _drop_unchanged(spec, old, ("internalTrafficPolicy",))


def _drop_unchanged(spec: Object, old: Object, fields: tuple[str, ...]) -> None:
    for name in fields:
        if spec.get(name) == old.get(name):
            spec.pop(name, None)


def _node_ports(spec: Object) -> list[int]:
    return [port.get("nodePort") or 0 for port in spec.get("ports") or ()]
