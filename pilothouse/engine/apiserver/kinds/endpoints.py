"""Endpoints and EndpointSlices: the addresses behind a service.

Source: pkg/apis/core/validation (ValidateEndpoints), pkg/apis/discovery/validation.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.addresses import address_warnings, ordinary, validate_address
from pilothouse.engine.apiserver.kinds.kind import Context, Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
_WARNINGS_MAX = 20
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
ENDPOINTS_MAX, ADDRESSES_MAX, PORTS_MAX, HINTS_MAX = 1000, 100, 20000, 8


def _default_endpoints(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"


def _validate_endpoints(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    for i, subset in field.until_enough(causes, enumerate(obj.get("subsets") or ())):
        causes += _subset(subset, f"subsets[{i}]")
    return causes


def _validate_endpoints_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old) + metadata.validate(obj, names.dns1123_subdomain)
    if obj.get("subsets") != old.get("subsets"):
        for i, subset in enumerate(obj.get("subsets") or ()):
            causes += _subset(subset, f"subsets[{i}]")
    return causes


def _subset(subset: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        causes.append(field.required(path, "must specify `addresses` or `notReadyAddresses`"))
    for kind in field.until_enough(causes, ("addresses", "notReadyAddresses")):
        for i, address in enumerate(subset.get(kind) or ()):
            causes += _address(address, f"{path}.{kind}[{i}]")
    ports = subset.get("ports") or ()
    for i, port in field.until_enough(causes, enumerate(ports)):
        causes += _port(port, f"{path}.ports[{i}]", needs_name=len(ports) > 1)
    return causes


def _address(address: Object, path: str) -> list[Cause]:
    ip = address.get("ip") or ""
    causes = validate_address(ip, f"{path}.ip")
    if host := address.get("hostname"):
        causes += field.each_invalid(f"{path}.hostname", host, names.dns1123_label(host))
    if (node := address.get("nodeName")) is not None:
        causes += field.each_invalid(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    return causes + ordinary(ip, f"{path}.ip")


def _port(port: Object, path: str, *, needs_name: bool) -> list[Cause]:
    name, number = port.get("name") or "", port.get("port") or 0
    causes: list[Cause] = []
    if name:
        causes += field.each_invalid(f"{path}.name", name, names.dns1123_label(name))
    elif needs_name:
        causes.append(field.required(f"{path}.name"))
    causes += field.each_invalid(f"{path}.port", number, names.port_number(number))
    return causes + _protocols(port, path)


def _protocols(port: Object, path: str) -> list[Cause]:
    protocol, application = port.get("protocol") or "", port.get("appProtocol")
    causes: list[Cause] = []
    causes += field.one_of(f"{path}.protocol", protocol, PROTOCOLS)
    if application is not None:
        causes += field.each_invalid(f"{path}.appProtocol", application, names.qualified_name(application))
    return causes


def _endpoints_warnings(obj: Object) -> list[str]:
    if (obj["metadata"].get("labels") or {}).get("endpoints.kubernetes.io/managed-by") == "endpoint-controller":
        return []
    return [
        warning
        for i, subset in enumerate(obj.get("subsets") or ())
        for name in ("addresses", "notReadyAddresses")
        for j, address in enumerate(subset.get(name) or ())
        for warning in address_warnings(address.get("ip") or "", f"subsets[{i}].{name}[{j}].ip")
    ]


ENDPOINTS = Kind(
    kinds.ENDPOINTS,
    "io.k8s.api.core.v1.Endpoints",
    default=_default_endpoints,
    prepare_update=strategy.plain_update,
    validate=_validate_endpoints,
    validate_update=_validate_endpoints_update,
    warnings=_endpoints_warnings,
    columns=printer.ENDPOINTS_COLUMNS,
    cells=printer.endpoints_cells,
    create_on_update=True,
    deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
)


def _default_slice(obj: Object) -> None:
    for endpoint in obj.get("endpoints") or ():
        if endpoint.get("conditions") is None:
            endpoint["conditions"] = {}
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        port["protocol"] = port.get("protocol") or "TCP"


def _validate_slice(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    kind = obj.get("addressType") or ""
    causes += field.one_of("addressType", kind, ADDRESS_TYPES)
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > ENDPOINTS_MAX:
        return [*causes, field.too_many("endpoints", len(endpoints), ENDPOINTS_MAX)]
    for i, endpoint in field.until_enough(causes, enumerate(endpoints)):
        causes += _endpoint(endpoint, kind, f"endpoints[{i}]")
    return causes + _slice_ports(obj.get("ports") or [])


def _endpoint(endpoint: Object, kind: str, path: str) -> list[Cause]:
    addresses = endpoint.get("addresses") or []
    causes: list[Cause] = []
    if not addresses:
        causes.append(field.required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > ADDRESSES_MAX:
        causes.append(field.too_many(f"{path}.addresses", len(addresses), ADDRESSES_MAX))
    for i, address in field.until_enough(causes, enumerate(addresses)):
        causes += _slice_address(address, kind, f"{path}.addresses", i)
    if (node := endpoint.get("nodeName")) is not None:
        causes += field.each_invalid(f"{path}.nodeName", node, names.dns1123_subdomain(node))
    if (host := endpoint.get("hostname")) is not None:
        causes += field.each_invalid(f"{path}.hostname", host, names.dns1123_label(host))
    return causes + _hints(endpoint.get("hints") or {}, f"{path}.hints")


def _hints(hints: Object, path: str) -> list[Cause]:
    """For which zones and nodes an endpoint is meant."""
    causes: list[Cause] = []
    for kind, rule in (("forZones", names.label_value), ("forNodes", names.dns1123_subdomain)):
        unique = field.Unique()
        for i, each in enumerate(field.bounded(causes, f"{path}.{kind}", hints.get(kind) or [], HINTS_MAX)):
            name, here = each.get("name") or "", f"{path}.{kind}[{i}].name"
            causes += unique.check(here, name) + field.each_invalid(here, name, rule(name))
    return causes


def _slice_address(address: str, kind: str, path: str, index: int) -> list[Cause]:
    if kind == "FQDN":
        return field.each_invalid(path, address, names.fully_qualified_name(address))
    if kind not in ("IPv4", "IPv6"):
        return []
    found = names.parse_ip(address)
    causes: list[Cause] = []
    if found is None or f"IPv{found.version}" != kind:
        causes.append(field.invalid(path, address, f"must be an {kind} address"))
    return causes + ordinary(address, f"{path}[{index}]")


def _slice_ports(ports: list[Object]) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, port in enumerate(field.bounded(causes, "ports", ports, PORTS_MAX)):
        here, name = f"ports[{i}]", port.get("name") or ""
        if name:
            causes += field.each_invalid(f"{here}.name", name, names.dns1123_label(name))
        causes += unique.check(f"{here}.name", name)
        causes += _protocols(port, here)
    return causes


def _validate_slice_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_common_update(obj, old) + _validate_slice(obj)
    return causes + field.immutable("addressType", obj.get("addressType"), old.get("addressType"))


_create_slice = strategy.create()
_update_slice = strategy.update(counted=("labels",))


def _prepare_slice(obj: Object, context: Context) -> None:
    _create_slice(obj, context)
    _drop_topology(obj)


def _prepare_slice_update(obj: Object, old: Object, context: Context) -> None:
    _update_slice(obj, old, context)
    _drop_topology(obj)


def _drop_topology(obj: Object) -> None:
    """The field is there for objects that were written before v1."""
    endpoints = obj.get("endpoints") or ()
    if any("deprecatedTopology" in each for each in endpoints):
        obj["endpoints"] = [{name: value for name, value in each.items() if name != "deprecatedTopology"} for each in endpoints]


def _slice_warnings(obj: Object) -> list[str]:
    old = ["spec.addressType: FQDN endpoints are deprecated"] if obj.get("addressType") == "FQDN" else []
    return old + _address_warnings(obj, obj)


def _address_warnings(obj: Object, old: Object) -> list[str]:
    """Of addresses that somebody wrote by hand, in another than the canonical form."""
    found: list[str] = []
    if (obj["metadata"].get("labels") or {}).get(MANAGED_BY) in CONTROLLERS:
        return found
    for i, endpoint in enumerate(obj.get("endpoints") or ()):
        for j, address in enumerate(endpoint.get("addresses") or ()):
            if len(found) < _WARNINGS_MAX:
                found += address_warnings(address, f"endpoints[{i}].addresses[{j}]")
    return found


ENDPOINTSLICE = Kind(
    kinds.ENDPOINTSLICES,
    "io.k8s.api.discovery.v1.EndpointSlice",
    default=_default_slice,
    prepare_create=_prepare_slice,
    prepare_update=_prepare_slice_update,
    validate=_validate_slice,
    validate_update=_validate_slice_update,
    warnings=_slice_warnings,
    warnings_on_update=_address_warnings,
    columns=printer.SLICE_COLUMNS,
    cells=printer.slice_cells,
)
