"""ServiceCIDRs and IPAddresses: from which networks Services get their addresses, and which of them are in use.

Source: pkg/apis/networking/validation, pkg/registry/networking/{servicecidr,ipaddress}.
"""

from collections.abc import Sequence
from functools import partial

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import networking as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
"""Until no Service has an address that only this network allows."""
MANAGED_BY, ALLOCATOR = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
"""The label of IPAddresses that follow Services, and its value."""
_CIDRS = "spec.cidrs"


def _spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def _validate_cidr(obj: Object, cluster: Sequence[str]) -> list[Cause]:
    cidrs = _spec(obj).get("cidrs") or []
    return metadata.validate(obj, names.dns1123_subdomain, namespaced=False) + (_networks(cidrs) or _foreign(cidrs, cluster))


def _foreign(cidrs: list[str], cluster: Sequence[str]) -> list[Cause]:
    """Networks from which no Service of this cluster would get an address."""
    return [
        field.invalid(f"{_CIDRS}[{index}]", cidr, f"this cluster gives Services {' and '.join(cluster)} addresses only")
        for index, cidr in enumerate(cidrs)
        if (found := names.parse_cidr(cidr)) is not None and f"IPv{found.version}" not in cluster
    ]


def _networks(cidrs: list[str]) -> list[Cause]:
    if not cidrs:
        return [field.required(_CIDRS, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [field.invalid(_CIDRS, {"CIDRs": cidrs}, "may only hold up to 2 values")]
    if len(cidrs) == 2 and {found.version for cidr in cidrs if (found := names.parse_cidr(cidr)) is not None} != {4, 6}:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        return [field.invalid(_CIDRS, {"CIDRs": cidrs}, detail)]
    return [cause for index, cidr in enumerate(cidrs) for cause in _network(f"{_CIDRS}[{index}]", cidr)]


def _network(path: str, cidr: str) -> list[Cause]:
    found = names.parse_cidr(cidr)
    if found is None:
        return field.each_invalid(path, cidr, names.cidr(cidr))
    canonical = str(found.network)
    return [] if cidr == canonical else [field.invalid(path, cidr, f'must be in canonical form ("{canonical}")')]


def _validate_cidr_update(obj: Object, old: Object, cluster: Sequence[str]) -> list[Cause]:
    cidrs, before = _spec(obj).get("cidrs") or [], _spec(old).get("cidrs") or []
    causes = metadata.validate_update(obj, old)
    if len(before) == 1 and len(cidrs) == 2:
        return causes + field.immutable(f"{_CIDRS}[0]", cidrs[0], before[0]) + (_networks(cidrs) or _foreign(cidrs, cluster))
    if len(cidrs) != len(before):
        return causes + field.immutable(_CIDRS, cidrs, before)
    pairs = enumerate(zip(cidrs, before, strict=True))
    return causes + [cause for index, (new, stored) in pairs for cause in field.immutable(f"{_CIDRS}[{index}]", new, stored)]


def cidr_kind(cluster: Sequence[str]) -> Kind:
    """Of a cluster whose Services have addresses of these families."""
    return Kind(
        kinds.SERVICECIDRS,
        "io.k8s.api.networking.v1.ServiceCIDR",
        prepare_create=strategy.create(status={}, generation=False),
        prepare_update=strategy.update(generation=False),
        validate=partial(_validate_cidr, cluster=cluster),
        validate_update=partial(_validate_cidr_update, cluster=cluster),
        columns=printer.SERVICECIDR_COLUMNS,
        cells=printer.servicecidr_cells,
        finalizers_on_delete=(FINALIZER,),
        followed_by="service-cidrs",
    )


SERVICECIDR = cidr_kind(("IPv4",))
"""Of a cluster of IPv4; see `services.SERVICE`."""


def _address_name(name: str) -> list[str]:
    """The one way to write the address: two names for one address would be two objects."""
    found = names.parse_ip(name)
    if found is None:
        is_padded = bool(names.parse_ip(".".join(part.lstrip("0") or "0" for part in name.split("."))))
        return ["must not have leading 0s"] if is_padded else names.ip(name)
    if found.version == 6 and found.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return [] if name == str(found) else [f'must be in canonical form ("{found}")']


def _validate_address(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, _address_name, namespaced=False)
    parent, path = _spec(obj).get("parentRef"), "spec.parentRef"
    if parent is None:
        return [*causes, field.required(path)]
    if group := parent.get("group"):
        causes += field.each_invalid(f"{path}.group", group, names.dns1123_subdomain(group))
    for name in ("resource", "name", "namespace"):
        if value := parent.get(name):
            causes += field.each_invalid(f"{path}.{name}", value, names.path_segment(value))
        elif name != "namespace":
            causes.append(field.required(f"{path}.{name}"))
    return causes


def _validate_address_update(obj: Object, old: Object) -> list[Cause]:
    parent, before = _spec(obj).get("parentRef"), _spec(old).get("parentRef")
    return metadata.validate_update(obj, old) + field.immutable("spec.parentRef", parent, before)


IPADDRESS = Kind(
    kinds.IPADDRESSES,
    "io.k8s.api.networking.v1.IPAddress",
    prepare_update=strategy.plain_update,
    validate=_validate_address,
    validate_update=_validate_address_update,
    columns=printer.IPADDRESS_COLUMNS,
    cells=printer.ipaddress_cells,
)
