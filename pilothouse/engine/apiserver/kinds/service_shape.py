"""The pure part of a Service's allocation: which addresses and ports a type has, and what an update inherits or drops.

An update may leave out what was allocated (it is kept) and may change the type without clearing what the old type had (it is
dropped). What is still missing afterwards is for the allocator to fill.
Source: pkg/registry/core/service/storage/storage.go, strategy.go.
"""

from collections.abc import Sequence

from pilothouse.model.json import Object
from pilothouse.model.networks import BOTH_FAMILIES

HEADLESS = "None"
SINGLE = "SingleStack"
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


def choose_families(spec: Object, cluster: Sequence[str], old: Object | None = None) -> None:
    """Fill in policy and families. cluster: the families of its addresses, the default one first. old: the stored spec of an update.

    A Service goes from one family to two, or back, only when its policy says so. What is in contradiction is left as it is, for
    `service_addresses.validate_allocation`. Source: initIPFamilyFields in kubernetes pkg/registry/core/service/storage/alloc.go.
    """
    if not has_cluster_ip(spec) or keeps_families(spec, old):
        return
    policy = spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or _default_policy(spec, old)
    if old is not None and policy == SINGLE:
        _release_second(spec, old)
    if old is not None and policy != SINGLE and (is_reduced(spec, old, "clusterIPs") or is_reduced(spec, old, "ipFamilies")):
        return
    families = _inferred(spec, cluster)
    if families is not None:
        known = BOTH_FAMILIES if leads_nowhere(spec) else cluster
        families = families or [cluster[0]]
        if policy != SINGLE and len(families) == 1:
            families += [family for family in known if family not in families]
        spec["ipFamilies"] = families


def keeps_families(spec: Object, old: Object | None) -> bool:
    """A Service that prefers two families stays as it is when only the cluster has changed."""
    policies = (spec.get("ipFamilyPolicy"), (old or {}).get("ipFamilyPolicy"))
    if old is None or not has_cluster_ip(old) or policies != ("PreferDualStack", "PreferDualStack"):
        return False
    return all((spec.get(name) or []) == (old.get(name) or []) for name in ("clusterIPs", "ipFamilies"))


def is_reduced(spec: Object, old: Object, name: str) -> bool:
    """Whether an update states fewer of `clusterIPs` or `ipFamilies` than there are; none at all states nothing."""
    return 0 < len(spec.get(name) or ()) < len(old.get(name) or ())


def _default_policy(spec: Object, old: Object | None) -> str:
    before: str = (old or {}).get("ipFamilyPolicy") or ""
    return before or ("RequireDualStack" if leads_nowhere(spec) else SINGLE)


def _release_second(spec: Object, old: Object) -> None:
    """What the client has left as it was loses its second value: the policy is clear enough."""
    for name in ("clusterIPs", "ipFamilies"):
        values = spec.get(name) or []
        if len(values) > 1 and values == old.get(name):
            spec[name] = values[:1]


def _inferred(spec: Object, cluster: Sequence[str]) -> list[str] | None:
    """The families that are stated, and those of further addresses; None when these are not the cluster's, or twice the same."""
    families = list(spec.get("ipFamilies") or ())
    addresses = [address for address in spec.get("clusterIPs") or () if address != HEADLESS]
    if spec["ipFamilyPolicy"] == SINGLE and len(addresses) > 1:
        addresses = addresses[:1]
    more = [family_of(address) for address in addresses[len(families) :]]
    if any(family not in cluster or family in families for family in more) or len(set(more)) < len(more):
        return None
    return families + more


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
