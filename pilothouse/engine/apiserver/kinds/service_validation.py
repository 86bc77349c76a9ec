"""Rules of a Service's spec.

Source: pkg/apis/core/validation (ValidateService and what it calls).
"""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds import service_shape as shape
from pilothouse.engine.apiserver.kinds.addresses import ordinary
from pilothouse.engine.apiserver.kinds.metadata import labels
from pilothouse.engine.apiserver.kinds.pod_validation.probes import port_or_name
from pilothouse.engine.apiserver.kinds.service_addresses import validate_addresses
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
TRAFFIC_POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
AFFINITY_MAX_S = 86400
KUBELET_PORT = 10250
_FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'"


def validate_spec(spec: Object) -> list[Cause]:
    ports = spec.get("ports") or []
    causes: list[Cause] = []
    if not ports and not shape.is_headless(spec) and spec.get("type") != "ExternalName":
        causes.append(field.required("spec.ports"))
    causes += _by_type(spec) + _ports(ports)
    if selector := spec.get("selector"):
        causes += labels(selector, "spec.selector")
    causes += _affinity(spec) + validate_addresses(spec)
    for i, address in field.until_enough(causes, enumerate(spec.get("externalIPs") or ())):
        said = names.ip(address)
        causes += field.each_invalid(f"spec.externalIPs[{i}]", address, said) if said else ordinary(address, f"spec.externalIPs[{i}]")
    causes += _one_of("spec.type", spec.get("type"), TYPES)
    return causes + _port_conflicts(spec, ports) + _balancing(spec) + _traffic(spec)


def _one_of(path: str, value: str | None, supported: tuple[str, ...]) -> list[Cause]:
    if value in supported:
        return []
    return [field.not_supported(path, value, supported) if value else field.required(path)]


def _by_type(spec: Object) -> list[Cause]:
    kind = spec.get("type")
    if kind == "ExternalName":
        return _external_name(spec)
    if kind not in shape.WITH_NODE_PORTS:
        return []
    causes: list[Cause] = []
    if kind == "LoadBalancer":
        detail = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
        causes += [
            field.invalid(f"spec.ports[{i}].port", KUBELET_PORT, detail)
            for i, port in enumerate(spec.get("ports") or ())
            if port.get("port") == KUBELET_PORT
        ]
    if shape.is_headless(spec):
        causes.append(field.invalid("spec.clusterIPs[0]", shape.HEADLESS, f"may not be set to 'None' for {kind} services"))
    return causes


def _external_name(spec: Object) -> list[Cause]:
    detail = "may not be set for ExternalName services"
    causes = [field.forbidden(f"spec.{name}", detail) for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy") if spec.get(name)]
    target = (spec.get("externalName") or "").removesuffix(".")
    if not target:
        return [*causes, field.required("spec.externalName")]
    return causes + field.each_invalid("spec.externalName", target, names.dns1123_subdomain(target))


def _ports(ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, port in field.until_enough(causes, enumerate(ports)):
        here = f"spec.ports[{i}]"
        if name := port.get("name"):
            causes += field.each_invalid(f"{here}.name", name, names.dns1123_label(name))
            if name in seen:
                causes.append(field.duplicate(f"{here}.name", name))
            seen.add(name)
        elif len(ports) > 1:
            causes.append(field.required(f"{here}.name"))
        number = port.get("port") or 0
        causes += field.each_invalid(f"{here}.port", number, names.port_number(number))
        causes += _one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)
        causes += port_or_name(port.get("targetPort"), f"{here}.targetPort")
        if (application := port.get("appProtocol")) is not None:
            causes += field.each_invalid(f"{here}.appProtocol", application, names.qualified_name(application))
    return causes


def _affinity(spec: Object) -> list[Cause]:
    kind = spec.get("sessionAffinity")
    causes = _one_of("spec.sessionAffinity", kind, AFFINITIES)
    config = spec.get("sessionAffinityConfig")
    if kind == "ClientIP":
        timeout_s = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if timeout_s is None:
            causes.append(field.required("spec.sessionAffinityConfig", "when session affinity type is ClientIP"))
        elif not 0 < timeout_s <= AFFINITY_MAX_S:
            detail = f"must be greater than 0 and less than {AFFINITY_MAX_S}"
            causes.append(field.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout_s, detail))
    elif kind == "None" and config is not None:
        causes.append(field.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"))
    return causes


def _port_conflicts(spec: Object, ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    numbers: set[tuple[str | None, int]] = set()
    node_ports: set[tuple[str | None, int]] = set()
    for i, port in field.until_enough(causes, enumerate(ports)):
        protocol, number, node_port = port.get("protocol"), port.get("port") or 0, port.get("nodePort") or 0
        if node_port and spec.get("type") == "ClusterIP":
            causes.append(field.forbidden(f"spec.ports[{i}].nodePort", "may not be used when `type` is 'ClusterIP'"))
        if node_port and (protocol, node_port) in node_ports:
            causes.append(field.invalid(f"spec.ports[{i}].nodePort", node_port, "provided port is already allocated"))
        elif (protocol, number) in numbers:
            shown = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number, "TargetPort": 0, "NodePort": 0}
            causes.append(field.duplicate(f"spec.ports[{i}]", shown))
        node_ports.add((protocol, node_port))
        numbers.add((protocol, number))
    return causes


def _balancing(spec: Object) -> list[Cause]:
    is_balancer = spec.get("type") == "LoadBalancer"
    causes: list[Cause] = []
    if ranges := spec.get("loadBalancerSourceRanges"):
        if not is_balancer:
            causes.append(field.forbidden("spec.LoadBalancerSourceRanges", _FOR_BALANCERS))
        for i, source in enumerate(ranges):
            causes += field.each_invalid(f"spec.LoadBalancerSourceRanges[{i}]", source, names.cidr(source.strip()))
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        causes.append(field.forbidden("spec.allocateLoadBalancerNodePorts", _FOR_BALANCERS))
    if (owner := spec.get("loadBalancerClass")) is not None:
        if is_balancer:
            causes += field.each_invalid("spec.loadBalancerClass", owner, names.qualified_name(owner))
        else:
            causes.append(field.forbidden("spec.loadBalancerClass", _FOR_BALANCERS))
    return causes


def _traffic(spec: Object) -> list[Cause]:
    policy, health_port = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort") or 0
    causes: list[Cause] = []
    if shape.is_exposed(spec):
        causes += _one_of("spec.externalTrafficPolicy", policy, TRAFFIC_POLICIES)
    elif policy:
        causes.append(field.invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"))
    if health_port and not shape.has_health_port(spec):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.append(field.invalid("spec.healthCheckNodePort", health_port, detail))
    elif health_port:
        causes += field.each_invalid("spec.healthCheckNodePort", health_port, names.port_number(health_port))
    if shape.has_cluster_ip(spec) or spec.get("internalTrafficPolicy") is not None:
        causes += _one_of("spec.internalTrafficPolicy", spec.get("internalTrafficPolicy"), TRAFFIC_POLICIES)
    if (distribution := spec.get("trafficDistribution")) is not None and distribution not in DISTRIBUTIONS:
        causes.append(field.not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return causes
