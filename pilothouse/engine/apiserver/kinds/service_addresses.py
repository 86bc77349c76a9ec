"""Cluster addresses and IP families of a Service: each well-formed, one a family, in agreement with one another."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.service_shape import (
    CLUSTER_FAMILIES,
    HEADLESS,
    family_of,
    has_cluster_ip,
    is_headless,
    leads_nowhere,
)
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_IPS, _FAMILIES, _POLICY = "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"


def validate_addresses(spec: Object) -> list[Cause]:
    if spec.get("type") == "ExternalName":
        return []
    addresses, families, policy = spec.get("clusterIPs") or [], spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    causes = _agreement(spec.get("clusterIP") or "", addresses)
    if policy is not None and policy not in FAMILY_POLICIES:
        causes.append(field.not_supported(_POLICY, policy, FAMILY_POLICIES))
    malformed = _addresses(addresses)
    causes += malformed
    if len(addresses) > 2:
        causes.append(field.invalid(_IPS, addresses, "may only hold up to 2 values"))
    if malformed:
        return causes
    wrong = _families(families)
    causes += wrong + _stack(policy, addresses, families)
    if not wrong and not is_headless(spec):
        causes += _matching(addresses, families)
    return causes


def _agreement(single: str, addresses: list[str]) -> list[Cause]:
    if single and not addresses:
        return [field.required(_IPS)]
    if addresses and not single:
        return [field.invalid(_IPS, addresses, "must be empty when `clusterIP` is not specified")]
    if addresses and addresses[0] != single:
        return [field.invalid(_IPS, addresses, "first value must match `clusterIP`")]
    return []


def _addresses(addresses: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    for i, address in field.until_enough(causes, enumerate(addresses)):
        if i == 0 and address == HEADLESS:
            if len(addresses) > 1:
                causes.append(field.invalid(_IPS, addresses, "'None' must be the first and only value"))
            continue
        causes += field.each_invalid(f"{_IPS}[{i}]", address, names.ip(address))
    return causes


def _families(families: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for i, family in field.until_enough(causes, enumerate(families)):
        if family not in FAMILIES:
            causes.append(field.not_supported(f"{_FAMILIES}[{i}]", family, FAMILIES))
        if family in seen:
            causes.append(field.duplicate(f"{_FAMILIES}[{i}]", family))
        seen.add(family)
    return causes


def _stack(policy: str | None, addresses: list[str], families: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    if policy == "SingleStack":
        for values, what in ((addresses, "cluster IPs"), (families, "IP families")):
            if len(values) > 1:
                detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                causes.append(field.invalid(_POLICY, policy, detail))
    if len(addresses) == 2 and family_of(addresses[0]) == family_of(addresses[1]):
        causes.append(field.invalid(_IPS, addresses, "may specify no more than one IP for each IP family"))
    return causes


def _matching(addresses: list[str], families: list[str]) -> list[Cause]:
    return [
        field.invalid(f"{_IPS}[{i}]", address, f"expected an {family} value as indicated by `ipFamilies[{i}]`")
        for i, (address, family) in enumerate(zip(addresses, families, strict=False))
        if family_of(address) != family
    ]


def validate_cluster(spec: Object) -> list[Cause]:
    """Whether this cluster has what a new service asks for."""
    if not has_cluster_ip(spec) or leads_nowhere(spec):
        return []
    families = spec.get("ipFamilies") or []
    causes = [
        field.invalid(f"{_FAMILIES}[{i}]", family, "not configured on this cluster")
        for i, family in enumerate(families)
        if family not in CLUSTER_FAMILIES
    ]
    if not causes and spec.get("ipFamilyPolicy") == "RequireDualStack" and len(CLUSTER_FAMILIES) < 2:
        causes.append(field.invalid(_POLICY, "RequireDualStack", "this cluster is not configured for dual-stack services"))
    return causes
