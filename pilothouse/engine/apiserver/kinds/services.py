"""Services: defaults, rules, what an update may change. Addresses and ports are allocated elsewhere.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation (ValidateService), pkg/api/service/warnings.go.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds import service_shape as shape
from pilothouse.engine.apiserver.kinds.addresses import address_warnings, network_warnings, validate_address
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.engine.apiserver.kinds.service_addresses import validate_addresses_update, validate_allocation
from pilothouse.engine.apiserver.kinds.service_validation import HINTS, MODE, validate_class, validate_spec
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

Families: TypeAlias = Sequence[str]
AFFINITY_TIMEOUT_S = 10800
IP_MODES = ("Proxy", "VIP")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        _default_affinity(spec)
    spec["type"] = spec.get("type") or "ClusterIP"
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port") or 0
    if shape.is_exposed(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if shape.has_cluster_ip(spec) and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for point in points if spec["type"] == "LoadBalancer" else ():
        if point.get("ip") and point.get("ipMode") is None:
            point["ipMode"] = "VIP"


def _default_affinity(spec: Object) -> None:
    config = spec.get("sessionAffinityConfig") or {}
    client = config.get("clientIP") or {}
    if client.get("timeoutSeconds") is None:
        client["timeoutSeconds"] = AFFINITY_TIMEOUT_S
    spec["sessionAffinityConfig"] = config | {"clientIP": client}


def prepare_create(obj: Object, context: Context, cluster: Families) -> None:
    obj["status"] = {"loadBalancer": {}}
    shape.sync_addresses(obj["spec"])
    shape.choose_families(obj["spec"], cluster)


_update = strategy.update(generation=False)


def prepare_update(obj: Object, old: Object, context: Context, cluster: Families) -> None:
    _update(obj, old, context)
    if context.subresource == "status":
        return
    spec, before = obj["spec"], old["spec"]
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        obj["status"] = (obj.get("status") or {}) | {"loadBalancer": {}}
    shape.inherit_allocated(spec, before)
    shape.sync_addresses(spec, before)
    shape.drop_unused(spec, before)
    shape.choose_families(spec, cluster, before)


def validate(obj: Object, cluster: Families) -> list[Cause]:
    spec = obj.get("spec") or {}
    if causes := validate_allocation(spec, cluster):
        return causes
    return metadata.validate(obj, names.dns1123_label) + validate_spec(spec, _annotations(obj))


def _annotations(obj: Object) -> Object:
    found: Object = obj["metadata"].get("annotations") or {}
    return found


def validate_update(obj: Object, old: Object, cluster: Families) -> list[Cause]:
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    if causes := validate_allocation(spec, cluster, before):
        return causes
    causes = metadata.validate_update(obj, old) + validate_addresses_update(spec, before) + validate_class(spec, before)
    if (
        shape.has_health_port(spec)
        and shape.has_health_port(before)
        and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort")
    ):
        causes.append(field.forbidden("spec.healthCheckNodePort", field.IMMUTABLE))
    return causes + validate_spec(spec, _annotations(obj), _annotations(old))


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if points and (obj.get("spec") or {}).get("type") != "LoadBalancer":
        return [*causes, field.forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")]
    for i, point in field.until_enough(causes, enumerate(points)):
        causes += validate_entry_point(point, f"status.loadBalancer.ingress[{i}]")
    return causes


def validate_entry_point(point: Object, path: str) -> list[Cause]:
    """An address or name under which a load balancer is reached."""
    address, mode, host = point.get("ip") or "", point.get("ipMode"), point.get("hostname") or ""
    causes = validate_address(address, f"{path}.ip") if address else []
    if mode is None and address:
        causes.append(field.required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif mode is not None and not address:
        causes.append(field.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    else:
        causes += field.none_or_one_of(f"{path}.ipMode", mode, IP_MODES)
    if host:
        causes += field.each_invalid(f"{path}.hostname", host, names.dns1123_subdomain(host))
        if names.parse_ip(host) is not None:
            causes.append(field.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address"))
    return causes


def warnings(obj: Object) -> list[str]:
    spec = obj.get("spec") or {}
    found: list[str] = []
    if HINTS in _annotations(obj):
        found.append(f"annotation {HINTS} is deprecated, please use {MODE} instead")
    is_headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == shape.HEADLESS
    external = spec.get("externalIPs") or []
    if spec.get("clusterIP") not in (None, "", shape.HEADLESS):
        found += _address_warnings(spec.get("clusterIPs") or [], "spec.clusterIPs")
    if is_headless:
        found += _ignored_when_headless(spec)
    found += _address_warnings(external, "spec.externalIPs")
    if external and not is_headless and spec.get("type") != "ExternalName":
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if address := spec.get("loadBalancerIP"):
        found += address_warnings(address, "spec.loadBalancerIP")
    for i, network in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        found += network_warnings(network, f"spec.loadBalancerSourceRanges[{i}]")
    if external and spec.get("type") == "ExternalName":
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("externalName") and spec.get("type") != "ExternalName":
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def _address_warnings(addresses: list[str], path: str) -> list[str]:
    return [text for i, address in enumerate(addresses) for text in address_warnings(address, f"{path}[{i}]")]


def _ignored_when_headless(spec: Object) -> list[str]:
    given = {
        "loadBalancerIP": spec.get("loadBalancerIP"),
        "externalIPs": spec.get("externalIPs"),
        "SessionAffinity": spec.get("sessionAffinity") not in (None, "", "None"),
    }
    return [f"spec.{name} is ignored for headless services" for name, is_given in given.items() if is_given]


def selectable(obj: Object) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return metadata.selectable(obj) | {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}


def kind(cluster: Families) -> Kind:
    """Of a cluster whose Services have addresses of these families, one or both, the default one first."""
    return Kind(
        kinds.SERVICES,
        "io.k8s.api.core.v1.Service",
        default=default,
        prepare_create=partial(prepare_create, cluster=cluster),
        prepare_update=partial(prepare_update, cluster=cluster),
        validate=partial(validate, cluster=cluster),
        validate_update=partial(validate_update, cluster=cluster),
        validate_status_update=validate_status_update,
        warnings=warnings,
        columns=printer.SERVICE_COLUMNS,
        cells=printer.service_cells,
        selectable=selectable,
        selectable_fields=frozenset(selectable({"metadata": {}})),
        selector_refusal=UNSUPPORTED_LABEL,
        create_on_update=True,
        returns_object_on_delete=True,
        followed_by="ip-addresses",
    )


SERVICE = kind(("IPv4",))
"""Of a cluster of IPv4; what is served is made for the families that the settings state (`resources.builtin`)."""
