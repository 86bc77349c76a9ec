"""Rules of a Service's spec.

Source: pkg/apis/core/validation (ValidateService and what it calls).
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds import service_shape as shape
from pilothouse.engine.apiserver.kinds.addresses import ordinary, validate_address, validate_network
from pilothouse.engine.apiserver.kinds.metadata import labels
from pilothouse.engine.apiserver.kinds.pod_validation.probes import port_or_name
from pilothouse.engine.apiserver.kinds.service_addresses import validate_addresses
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import SOURCE_RANGES

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
TRAFFIC_POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
AFFINITY_MAX_S = 86400
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'"


def validate_spec(spec: Object, annotations: Object, old_annotations: Object | None = None) -> list[Cause]:
    """annotations: of the service, old_annotations those of the stored one, None when it is new."""
    ports = spec.get("ports") or []
    causes = _topology(annotations)
    if not ports and not shape.is_headless(spec) and spec.get("type") != "ExternalName":
        causes.append(field.required("spec.ports"))
    causes += _by_type(spec) + _ports(ports)
    if selector := spec.get("selector"):
        causes += labels(selector, "spec.selector")
    causes += _affinity(spec) + validate_addresses(spec)
    for i, address in field.until_enough(causes, enumerate(spec.get("externalIPs") or ())):
        causes += validate_address(address, f"spec.externalIPs[{i}]") or ordinary(address, f"spec.externalIPs[{i}]")
    causes += field.one_of("spec.type", spec.get("type"), TYPES)
    return causes + _port_conflicts(spec, ports) + _balancing(spec, annotations, old_annotations) + _traffic(spec)


def _topology(annotations: Object) -> list[Cause]:
    hints, mode = annotations.get(HINTS), annotations.get(MODE)
    if hints is None or mode is None or hints == mode:
        return []
    return [field.invalid(f"metadata.annotations[{MODE}]", mode, f"must match annotations[{HINTS}] when both are specified")]


def _by_type(spec: Object) -> list[Cause]:
    kind = spec.get("type")
    if kind == "ExternalName":
        return _external_name(spec)
    if kind in shape.WITH_NODE_PORTS and shape.is_headless(spec):
        return [field.invalid("spec.clusterIPs[0]", shape.HEADLESS, f"may not be set to 'None' for {kind} services")]
    return []


def _external_name(spec: Object) -> list[Cause]:
    detail = "may not be set for ExternalName services"
    causes = [field.forbidden(f"spec.{name}", detail) for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy") if spec.get(name)]
    target = (spec.get("externalName") or "").removesuffix(".")
    if not target:
        return [*causes, field.required("spec.externalName")]
    return causes + field.each_invalid("spec.externalName", target, names.dns1123_subdomain(target))


def _ports(ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, port in field.until_enough(causes, enumerate(ports)):
        here = f"spec.ports[{i}]"
        if name := port.get("name"):
            causes += field.each_invalid(f"{here}.name", name, names.dns1123_label(name))
            causes += unique.check(f"{here}.name", name)
        elif len(ports) > 1:
            causes.append(field.required(f"{here}.name"))
        number = port.get("port") or 0
        causes += field.each_invalid(f"{here}.port", number, names.port_number(number))
        causes += field.one_of(f"{here}.protocol", port.get("protocol"), PROTOCOLS)
        causes += port_or_name(port.get("targetPort"), f"{here}.targetPort")
        if (application := port.get("appProtocol")) is not None:
            causes += field.each_invalid(f"{here}.appProtocol", application, names.qualified_name(application))
    return causes


def _affinity(spec: Object) -> list[Cause]:
    kind = spec.get("sessionAffinity")
    causes = field.one_of("spec.sessionAffinity", kind, AFFINITIES)
    config = spec.get("sessionAffinityConfig")
    if kind == "ClientIP":
        causes += _client_affinity(config)
    elif kind == "None" and config is not None:
        causes.append(field.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"))
    return causes


def _client_affinity(config: Object | None) -> list[Cause]:
    path, holder = "spec.sessionAffinityConfig", config
    for name in ("clientIP", "timeoutSeconds"):
        if holder is None:
            break
        path, holder = f"{path}.{name}", holder.get(name)
    if holder is None:
        return [field.required(path, "when session affinity type is ClientIP")]
    timeout_s: Any = holder
    if 0 < timeout_s <= AFFINITY_MAX_S:
        return []
    return [field.invalid(path, timeout_s, f"must be greater than 0 and less than {AFFINITY_MAX_S}")]


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


def _balancing(spec: Object, annotations: Object, old_annotations: Object | None) -> list[Cause]:
    is_balancer = spec.get("type") == "LoadBalancer"
    causes: list[Cause] = []
    if ranges := spec.get("loadBalancerSourceRanges"):
        if not is_balancer:
            causes.append(field.forbidden("spec.LoadBalancerSourceRanges", _FOR_BALANCERS))
        for i, source in field.until_enough(causes, enumerate(ranges)):
            causes += validate_network(source.strip(), f"spec.LoadBalancerSourceRanges[{i}]")
    elif (stated := annotations.get(SOURCE_RANGES)) is not None:
        here = f"metadata.annotations[{SOURCE_RANGES}]"
        if not is_balancer:
            causes.append(field.forbidden(here, _FOR_BALANCERS))
        if stated.strip() and (old_annotations is None or old_annotations.get(SOURCE_RANGES) != stated):
            for source in field.until_enough(causes, stated.strip().split(",")):
                causes += validate_network(source.strip(), here)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balancer:
        causes.append(field.forbidden("spec.allocateLoadBalancerNodePorts", _FOR_BALANCERS))
    return causes + validate_class(spec)


def validate_class(spec: Object, old: Object | None = None) -> list[Cause]:
    owner = spec.get("loadBalancerClass")
    causes: list[Cause] = []
    is_balancer = spec.get("type") == "LoadBalancer"
    if old is not None and is_balancer and old.get("type") == "LoadBalancer" and owner != old.get("loadBalancerClass"):
        causes.append(field.invalid("spec.loadBalancerClass", owner, "may not change once set"))
    if owner is None:
        return causes
    if is_balancer:
        return causes + field.each_invalid("spec.loadBalancerClass", owner, names.qualified_name(owner))
    return [*causes, field.forbidden("spec.loadBalancerClass", _FOR_BALANCERS)]


def _traffic(spec: Object) -> list[Cause]:
    policy, health_port = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort") or 0
    causes: list[Cause] = []
    if shape.is_exposed(spec):
        causes += field.one_of("spec.externalTrafficPolicy", policy, TRAFFIC_POLICIES)
    elif policy:
        causes.append(field.invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"))
    if health_port and not shape.has_health_port(spec):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.append(field.invalid("spec.healthCheckNodePort", health_port, detail))
    elif health_port:
        causes += field.each_invalid("spec.healthCheckNodePort", health_port, names.port_number(health_port))
    internal = spec.get("internalTrafficPolicy")
    if internal is None and shape.has_cluster_ip(spec):
        causes.append(field.required("spec.internalTrafficPolicy"))
    causes += field.none_or_one_of("spec.internalTrafficPolicy", internal, TRAFFIC_POLICIES)
    if (distribution := spec.get("trafficDistribution")) is not None and distribution not in DISTRIBUTIONS:
        causes.append(field.not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return causes
