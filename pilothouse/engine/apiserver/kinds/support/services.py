"""Every field of a Service's spec and status with its state. How paths are written: see `table`."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert, warned
from pilothouse.engine.apiserver.kinds.support.table import Table, joined

HONOURED = """
spec.{allocateLoadBalancerNodePorts,clusterIP,clusterIPs,externalIPs,externalName,externalTrafficPolicy,healthCheckNodePort}
spec.{internalTrafficPolicy,ipFamilies,ipFamilyPolicy,loadBalancerSourceRanges,publishNotReadyAddresses,selector,sessionAffinity}
spec.{trafficDistribution,type}
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


WARNED: Mapping[str, Rule] = {
    "spec.loadBalancerIP": warned("not carried out: no load balancer gives out addresses that are asked for by this field"),
}

SERVICES = Table(HONOURED, joined(INERT, WARNED))
