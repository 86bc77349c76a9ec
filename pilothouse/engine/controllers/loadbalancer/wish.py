"""What a Service asks of its load balancer: families, certain addresses, a certain pool. Pure.

Source: metallb.io, usage, "Requesting specific IPs"; Kubernetes, "IPv4/IPv6 dual-stack".
"""

from dataclasses import dataclass

from pilothouse.model.json import Object
from pilothouse.model.load_balancers import ADDRESSES, POOL, Address, address, annotation


class Refused(Exception):
    """The Service gets no address; the text says why and what to do, as the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Wish:
    """versions: of the addresses, the first one's first. needs_all: whether an address of each is needed. pool: "" for any.

    addresses: those asked for, none for any.
    """

    versions: tuple[int, ...]
    needs_all: bool
    addresses: tuple[Address, ...]
    pool: str

    @classmethod
    def of(cls, service: Object) -> "Wish":
        """Raises Refused."""
        spec = service.get("spec") or {}
        versions = tuple(6 if family == "IPv6" else 4 for family in spec.get("ipFamilies") or ("IPv4",))
        needs_all = spec.get("ipFamilyPolicy") != "PreferDualStack"
        return cls(versions, needs_all, _addresses(service, versions), annotation(service, POOL))


def _addresses(service: Object, versions: tuple[int, ...]) -> tuple[Address, ...]:
    field, listed = str((service.get("spec") or {}).get("loadBalancerIP") or ""), annotation(service, ADDRESSES)
    if field and listed and field != listed:
        raise Refused(f"spec.loadBalancerIP asks for {field} and the annotation metallb.io/{ADDRESSES} for {listed}: leave one of them out")
    texts = [text.strip() for text in (listed or field).split(",") if text.strip()]
    found = tuple(each for text in texts if (each := address(text)) is not None)
    if len(found) < len(texts):
        raise Refused(f"it asks for {listed or field}, which is not an IP address or one of each family with a comma between")
    asked = [each.version for each in found]
    if len(set(asked)) < len(asked) or not set(asked) <= set(versions):
        families = " and ".join(f"IPv{version}" for version in versions)
        raise Refused(f"it asks for {listed or field}, but has one address of each family of spec.ipFamilies, {families}")
    return found
