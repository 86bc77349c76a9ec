"""Services: defaults, rules, what an update may change. Addresses and ports are allocated elsewhere.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation (ValidateService), pkg/api/service/warnings.go.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds import service_shape as shape
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.engine.apiserver.kinds.service_addresses import validate_cluster
from pilothouse.engine.apiserver.kinds.service_validation import validate_spec
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

AFFINITY_TIMEOUT_S = 10800


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
    for point in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if point.get("ip") and point.get("ipMode") is None:
            point["ipMode"] = "VIP"


def _default_affinity(spec: Object) -> None:
    config = spec.get("sessionAffinityConfig") or {}
    client = config.get("clientIP") or {}
    if client.get("timeoutSeconds") is None:
        client["timeoutSeconds"] = AFFINITY_TIMEOUT_S
    spec["sessionAffinityConfig"] = config | {"clientIP": client}


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"loadBalancer": {}}
    shape.sync_addresses(obj["spec"])
    shape.choose_families(obj["spec"])


_update = strategy.update(generation=False)


def prepare_update(obj: Object, old: Object, context: Context) -> None:
    _update(obj, old, context)
    if context.subresource == "status":
        return
    spec, before = obj["spec"], old["spec"]
    shape.inherit_allocated(spec, before)
    shape.sync_addresses(spec, before)
    shape.drop_unused(spec, before)
    shape.choose_families(spec)


def validate(obj: Object) -> list[Cause]:
    return _validate(obj) or validate_cluster(obj.get("spec") or {})


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_label) + validate_spec(obj.get("spec") or {})


def validate_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    causes += _address_update(obj.get("spec") or {}, old.get("spec") or {})
    return causes + _validate(obj)


def _address_update(spec: Object, old: Object) -> list[Cause]:
    if not (shape.has_cluster_ip(spec) and shape.has_cluster_ip(old)):
        return []
    new, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if not new or not before or new[0] == before[0]:
        return []
    return [field.invalid("spec.clusterIPs[0]", new, "may not change once set")]


def validate_status_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old)
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if points and (obj.get("spec") or {}).get("type") != "LoadBalancer":
        causes.append(field.forbidden("status.loadBalancer.ingress", 'may only be used when `spec.type` is "LoadBalancer"'))
    for i, point in field.until_enough(causes, enumerate(points)):
        if address := point.get("ip"):
            causes += field.each_invalid(f"status.loadBalancer.ingress[{i}].ip", address, names.ip(address))
        if host := point.get("hostname"):
            causes += field.each_invalid(f"status.loadBalancer.ingress[{i}].hostname", host, names.dns1123_subdomain(host))
    return causes


def warnings(obj: Object) -> list[str]:
    spec = obj.get("spec") or {}
    found: list[str] = []
    if spec.get("externalIPs"):
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if shape.is_headless(spec):
        if spec.get("loadBalancerIP"):
            found.append('spec.loadBalancerIP is ignored when spec.clusterIP is "None"')
        if spec.get("sessionAffinity") not in (None, "", "None"):
            found.append("spec.SessionAffinity is ignored for headless services")
    if spec.get("externalName") and spec.get("type") != "ExternalName":
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def selectable(obj: Object) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return metadata.selectable(obj) | {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}


SERVICE = Kind(
    kinds.SERVICES,
    "io.k8s.api.core.v1.Service",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    validate_status_update=validate_status_update,
    warnings=warnings,
    columns=printer.SERVICE_COLUMNS,
    cells=printer.service_cells,
    selectable=selectable,
    selectable_fields=frozenset(selectable({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
    create_on_update=True,
    returns_object_on_delete=True,
)
