"""Every field of a Service's spec and status with its state. How paths are written: see `table`."""

from collections.abc import Mapping
from typing import Any

from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert, warned
from pilothouse.engine.apiserver.kinds.support.table import Table, joined
from pilothouse.model.json import Object

HONOURED = """
spec.{allocateLoadBalancerNodePorts,clusterIP,clusterIPs,externalIPs,externalName,externalTrafficPolicy,internalTrafficPolicy}
spec.{ipFamilies,ipFamilyPolicy,loadBalancerSourceRanges,publishNotReadyAddresses,selector,sessionAffinity,trafficDistribution,type}
spec.sessionAffinityConfig.clientIP.timeoutSeconds
spec.ports[].{name,nodePort,port,protocol,targetPort}
status.loadBalancer.ingress[].{ip,ipMode}
"""

INERT: Mapping[str, Rule] = {
    "spec.loadBalancerClass": inert("names whose load balancer it is to be; whoever gives out addresses for the class reads it"),
    "spec.ports[].appProtocol": inert("copied to the EndpointSlices; the gateway speaks HTTP/1.1 and WebSocket to every backend"),
    "status.conditions": inert("for whoever writes them"),
    "status.loadBalancer.ingress[].hostname": inert("where clients find the Service; nothing on the node answers by it"),
    "status.loadBalancer.ingress[].ports": inert("what a load balancer says of its ports"),
}


def _has_cluster_address(holder: Object) -> bool:
    return holder.get("type") != "ExternalName" and holder.get("clusterIP") != "None"


def _has_sctp(ports: Any, holder: Object) -> bool:
    return _has_cluster_address(holder) and any(each.get("protocol") == "SCTP" for each in ports if isinstance(each, dict))


def _is_kept_local(value: Any, holder: Object) -> bool:
    return holder.get("type") == "LoadBalancer" and holder.get("externalTrafficPolicy") == "Local" and bool(value)


WARNED: Mapping[str, Rule] = {
    "spec.ports": warned(
        "not carried out for SCTP: the service proxy carries TCP and UDP; make it headless to find the pods by name",
        "with protocol `SCTP` and a cluster address",
        _has_sctp,
    ),
    "spec.healthCheckNodePort": warned(
        "not carried out: nothing answers health checks of a load balancer on this port", "of a `LoadBalancer`", _is_kept_local
    ),
    "spec.loadBalancerIP": warned("not carried out: no load balancer gives out addresses that are asked for by this field"),
}

SERVICES = Table(HONOURED, joined(INERT, WARNED))
