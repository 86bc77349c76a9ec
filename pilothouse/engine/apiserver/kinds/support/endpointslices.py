"""Every field of an EndpointSlice with its state. How paths are written: see `table`."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds.support.rule import Rule, inert, unless, warned
from pilothouse.engine.apiserver.kinds.support.table import Table, joined

HONOURED = """
addressType endpoints[].{addresses,hostname,nodeName} endpoints[].conditions.{ready,serving,terminating} endpoints[].zone
endpoints[].hints.{forNodes,forZones}[].name ports[].{name,port,protocol}
"""

INERT: Mapping[str, Rule] = {
    "endpoints[].deprecatedTopology": inert("what v1beta1 kept there"),
    "endpoints[].targetRef": inert("which object an endpoint stands for, for whoever reads it; traffic goes to the address"),
    "ports[].appProtocol": inert("for whoever reads it; the gateway speaks HTTP/1.1 and WebSocket to every backend"),
}

WARNED: Mapping[str, Rule] = {
    "addressType": warned(
        "not carried out by the service proxy, which leads to addresses; a headless Service's name shows them",
        "`FQDN`",
        unless("IPv4", "IPv6"),
    ),
}

ENDPOINT_SLICES = Table(HONOURED, joined(INERT, WARNED))
