"""The kinds of metallb.io, and what Services and Nodes say of load balancers. Pure.

Source: metallb/metallb api/v1beta1, website/content/usage and /configuration; Kubernetes, "Service: type LoadBalancer".
"""

import ipaddress
from collections.abc import Iterable, Iterator

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.node_objects import is_simulated
from pilothouse.model.resource import Resource

GROUP = "metallb.io"
NAMESPACE = "metallb-system"
"""The only one whose pools and advertisements count: who may write objects of a namespace of their own gets no addresses by that."""
CLASS = "network.pilothouse.dev/load-balancer"
"""The `loadBalancerClass` by which a Service asks for this implementation; one without a class gets it as well."""
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
CLEANUP = "service.kubernetes.io/load-balancer-cleanup"
"""Finalizer of a Service that may have addresses."""
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Label of nodes that no load balancer is to use."""
NODE_ADDRESSES = "network.pilothouse.dev/load-balancer-addresses"
"""Annotation of a Node: its addresses towards others, with commas; Services get these while there are no pools."""
PORTS_IN_USE = "network.pilothouse.dev/ports-in-use"
"""Annotation of a Node: what its processes listen on at those addresses, such as `tcp/22 udp/68`."""
LINKS = "network.pilothouse.dev/links"
"""Annotation of a Node: the links on which it can announce addresses, as JSON: a list of objects with name, mac and networks."""
SHARING, POOL, ADDRESSES, ALLOCATED_FROM = "allow-shared-ip", "address-pool", "loadBalancerIPs", "ip-allocated-from-pool"
"""Annotations of Services, below metallb.io/ (or, until MetalLB 0.13, metallb.universe.tf/)."""

IPADDRESSPOOLS = Resource(
    GROUP, "v1beta1", "ipaddresspools", "IPAddressPool", singular="ipaddresspool", subresources=("status",), custom=True
)
L2ADVERTISEMENTS = Resource(
    GROUP, "v1beta1", "l2advertisements", "L2Advertisement", singular="l2advertisement", subresources=("status",), custom=True
)
BGPADVERTISEMENTS = Resource(
    GROUP, "v1beta1", "bgpadvertisements", "BGPAdvertisement", singular="bgpadvertisement", subresources=("status",), custom=True
)
COMMUNITIES = Resource(GROUP, "v1beta1", "communities", "Community", singular="community", subresources=("status",), custom=True)
SERVICEL2STATUSES = Resource(
    GROUP, "v1beta1", "servicel2statuses", "ServiceL2Status", singular="servicel2status", subresources=("status",), custom=True
)
CONFIGURATIONSTATES = Resource(
    GROUP, "v1beta1", "configurationstates", "ConfigurationState", singular="configurationstate", subresources=("status",), custom=True
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_balanced(service: Object) -> bool:
    """Whether the Service asks for a load balancer of this implementation."""
    spec = service.get("spec") or {}
    return spec.get("type") == "LoadBalancer" and (spec.get("loadBalancerClass") or CLASS) == CLASS


def annotation(service: Object, name: str) -> str:
    """The value of a MetalLB annotation, by its present or its former prefix; "" without one."""
    found = meta.annotations(service)
    return str(found.get(f"{GROUP}/{name}") or found.get(f"metallb.universe.tf/{name}") or "").strip()


def ingress(service: Object) -> list[Object]:
    found: list[Object] = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def ingress_addresses(service: Object) -> Iterator[Address]:
    """Those that load balancers have given to the Service. What is no IP address is passed over."""
    for entry in ingress(service):
        if (found := address(entry.get("ip") or "")) is not None:
            yield found


def address(text: str) -> Address | None:
    """None for what is no IP address, or one with a scope (fe80::1%eth0)."""
    try:
        return None if "%" in text else ipaddress.ip_address(text.strip())
    except ValueError:
        return None


def usable_nodes(nodes: Iterable[Object]) -> list[Object]:
    """Those that traffic may be led to, by name: ready, real, and not excluded by their label.

    Where all are excluded the label is passed over: installers put it on each control plane, also on the only node.
    """
    present = [node for node in nodes if is_usable(node)]
    included = [node for node in present if EXCLUDED not in meta.labels(node)] or present
    return sorted(included, key=meta.name)


def is_usable(node: Object) -> bool:
    """But for the label that excludes it."""
    return not is_simulated(node) and not meta.is_deleting(node) and meta.is_true(node, "Ready")


def serving_nodes(slices: Iterable[Object]) -> set[str]:
    """Names of the nodes with a ready endpoint. slices: EndpointSlices of one Service."""
    return {
        endpoint["nodeName"]
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if endpoint.get("nodeName") and (endpoint.get("conditions") or {}).get("ready") is not False
    }


def service_keys(slice_: Object) -> list[str]:
    """The Service of an EndpointSlice, as the values of an index."""
    name = meta.labels(slice_).get(SERVICE_NAME_LABEL)
    return [f"{meta.namespace(slice_)}/{name}"] if name else []


def port_names(service: Object) -> frozenset[str]:
    """Of what the Service listens on, such as `tcp/80`."""
    ports = (service.get("spec") or {}).get("ports") or ()
    return frozenset(f"{(each.get('protocol') or 'TCP').lower()}/{each['port']}" for each in ports)


def is_local(service: Object) -> bool:
    """Whether only nodes with an endpoint may take its traffic from outside."""
    return (service.get("spec") or {}).get("externalTrafficPolicy") == "Local"


SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""The annotation that says what `spec.loadBalancerSourceRanges` does, where that says nothing."""


def source_ranges(service: Object) -> list[str]:
    """The networks from which a load balancer may be reached; none when it may be from everywhere."""
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer":
        return []
    stated = spec.get("loadBalancerSourceRanges") or meta.annotations(service).get(SOURCE_RANGES, "").split(",")
    return [text.strip() for text in stated if text.strip()]
