"""Every field of a Service's spec and status with its state. How paths are written: see `table`."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert
from pilothouse.engine.apiserver.kinds.support.table import Table, joined

HONOURED = """
spec.{allocateLoadBalancerNodePorts,clusterIP,clusterIPs,externalIPs,externalName,externalTrafficPolicy,healthCheckNodePort}
spec.{internalTrafficPolicy,ipFamilies,ipFamilyPolicy,loadBalancerClass,loadBalancerIP,loadBalancerSourceRanges}
spec.{publishNotReadyAddresses,selector,sessionAffinity,trafficDistribution,type}
spec.sessionAffinityConfig.clientIP.timeoutSeconds
spec.ports[].{name,nodePort,port,protocol,targetPort}
status.loadBalancer.ingress[].{ip,ipMode,ports}
"""

INERT: Mapping[str, Rule] = {
    "spec.ports[].appProtocol": inert("copied to the EndpointSlices; the gateway speaks HTTP/1.1 and WebSocket to every backend"),
    "status.conditions": inert("for whoever writes them"),
    "status.loadBalancer.ingress[].hostname": inert("where clients find the Service; nothing on the node answers by it"),
}

SERVICES = Table(HONOURED, joined(INERT))
