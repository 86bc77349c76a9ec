"""Cluster addresses and IP families of a Service: each well-formed, one a family, in agreement with one another."""

from collections.abc import Sequence

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.addresses import validate_address
from pilothouse.engine.apiserver.kinds.service_shape import (
    HEADLESS,
    family_of,
    is_headless,
    is_reduced,
    keeps_families,
    leads_nowhere,
)
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_FOR_LIFE = "may not change once set"
_IPS, _FAMILIES, _POLICY = "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"


def validate_addresses(spec: Object) -> list[Cause]:
    if spec.get("type") == "ExternalName":
        return []
    addresses, families, policy = spec.get("clusterIPs") or [], spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    causes = _agreement(spec.get("clusterIP") or "", addresses) + _families(families)
    causes += field.none_or_one_of(_POLICY, policy, FAMILY_POLICIES)
    malformed = _addresses(addresses)
    causes += malformed
    if len(addresses) > 2:
        causes.append(field.invalid(_IPS, addresses, "may only hold up to 2 values"))
    if malformed:
        return causes
    if len(addresses) > 1 and len({family_of(address) for address in addresses}) < 2:
        causes.append(field.invalid(_IPS, addresses, "may specify no more than one IP for each IP family"))
    return causes if is_headless(spec) else causes + _matching(addresses, families)


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
        causes += validate_address(address, f"{_IPS}[{i}]")
    return causes


def _families(families: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    unique = field.Unique()
    for i, family in field.until_enough(causes, enumerate(families)):
        if family not in FAMILIES:
            causes.append(field.not_supported(f"{_FAMILIES}[{i}]", family, FAMILIES))
        causes += unique.check(f"{_FAMILIES}[{i}]", family)
    return causes


def _stack(spec: Object) -> list[Cause]:
    if spec.get("ipFamilyPolicy") != "SingleStack":
        return []
    given = ((spec.get("clusterIPs") or [], "cluster IPs"), (spec.get("ipFamilies") or [], "IP families"))
    return [
        field.invalid(_POLICY, "SingleStack", f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified")
        for values, what in given
        if len(values) == 2
    ]


def _matching(addresses: list[str], families: list[str]) -> list[Cause]:
    return [
        field.invalid(f"{_IPS}[{i}]", address, f"expected an {family} value as indicated by `ipFamilies[{i}]`")
        for i, (address, family) in enumerate(zip(addresses, families, strict=False))
        if family in FAMILIES and family_of(address) != family
    ]


def validate_allocation(spec: Object, cluster: Sequence[str], old: Object | None = None) -> list[Cause]:
    """What stands in the way of giving addresses to a service. Upstream finds it first, and then looks for nothing else.

    cluster: the families of its addresses. old: the stored spec of an update.
    """
    if spec.get("type") == "ExternalName" or keeps_families(spec, old):
        return []
    return validate_addresses(spec) or _released(spec, old) + _stack(spec) + _foreign(spec, cluster) or _cluster(spec, cluster)


def _released(spec: Object, old: Object | None) -> list[Cause]:
    """A second address or family is given up by the policy, and not by leaving it out."""
    if old is None or spec.get("ipFamilyPolicy") == "SingleStack":
        return []
    return [
        field.invalid(_POLICY, spec.get("ipFamilyPolicy"), f"must be 'SingleStack' to release the secondary {what}")
        for name, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family"))
        if is_reduced(spec, old, name)
    ]


def _foreign(spec: Object, cluster: Sequence[str]) -> list[Cause]:
    """Addresses that name, without saying it, a family that the cluster does not have."""
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    return [
        field.invalid(f"{_IPS}[{i}]", addresses, f"{family_of(address)} is not configured on this cluster")
        for i, address in enumerate(addresses)
        if i >= len(families) and address != HEADLESS and family_of(address) not in cluster
    ]


def _cluster(spec: Object, cluster: Sequence[str]) -> list[Cause]:
    """Whether this cluster has what a service asks for."""
    if leads_nowhere(spec):
        return []
    causes: list[Cause] = []
    if spec.get("ipFamilyPolicy") == "RequireDualStack" and len(cluster) < 2:
        causes.append(field.invalid(_POLICY, "RequireDualStack", "this cluster is not configured for dual-stack services"))
    return causes + [
        field.invalid(f"{_FAMILIES}[{i}]", family, "not configured on this cluster")
        for i, family in enumerate(spec.get("ipFamilies") or ())
        if family not in cluster
    ]


def validate_addresses_update(spec: Object, old: Object) -> list[Cause]:
    """Addresses and families are for life, unless a service comes from or goes to one without addresses of its own."""
    if "ExternalName" in (spec.get("type"), old.get("type")) or (is_headless(spec) and is_headless(old)):
        return []
    new, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    causes: list[Cause] = []
    if len(new) == len(before):
        causes += [field.invalid(f"{_IPS}[{i}]", new, _FOR_LIFE) for i, address in enumerate(before) if address != new[i]]
    elif before and not new:
        causes.append(field.invalid(f"{_IPS}[0]", new, "primary clusterIP can not be unset"))
    elif before and new[0] != before[0]:
        causes.append(field.invalid(f"{_IPS}[0]", new, _FOR_LIFE))
    if is_headless(spec) or is_headless(old):
        return causes
    families, families_before = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
    changed = [family for i, family in enumerate(families_before) if i < len(families) and families[i] != family]
    return causes + [field.invalid(f"{_FAMILIES}[0]", families, _FOR_LIFE) for _ in changed]
