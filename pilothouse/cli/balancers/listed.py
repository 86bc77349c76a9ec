"""Load balancers and pools as rows (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import ALLOCATED_FROM, annotation, ingress, is_balanced, port_names

_NO_ADDRESS = "no address for this Service: "


@dataclass(frozen=True, slots=True)
class Balancer:
    """pool: "" for addresses of nodes, and without one. announcedBy: nodes, for addresses of pools. problem: why it has no address."""

    namespace: str
    name: str
    addresses: Sequence[str]
    ports: Sequence[str]
    pool: str
    announcedBy: Sequence[str]
    problem: str


@dataclass(frozen=True, slots=True)
class PoolRow:
    """used, free: addresses of both families. problem: why the pool is left out."""

    name: str
    addresses: Sequence[str]
    used: int
    free: int
    problem: str


def balancers(services: Iterable[Object], statuses: Iterable[Object], refusals: Mapping[str, str]) -> list[Balancer]:
    """statuses: ServiceL2Statuses. refusals: why Services have no address, by their keys. Ordered by namespace and name."""
    holders: dict[str, list[str]] = {}
    for each in statuses:
        status = each.get("status") or {}
        holders.setdefault(f"{status.get('serviceNamespace')}/{status.get('serviceName')}", []).append(status.get("node") or "")
    found = [each for each in services if (each.get("spec") or {}).get("type") == "LoadBalancer"]
    return [_balancer(each, holders.get(meta.key(each), []), refusals) for each in sorted(found, key=meta.key)]


def _balancer(service: Object, holders: Sequence[str], refusals: Mapping[str, str]) -> Balancer:
    addresses = [each.get("ip") or each.get("hostname") or "" for each in ingress(service)]
    ports = sorted(port_names(service), key=lambda name: (int(name.partition("/")[2]), name))
    pool = annotation(service, ALLOCATED_FROM)
    problem = "" if addresses else _problem(service, refusals)
    return Balancer(meta.namespace(service), meta.name(service), addresses, ports, pool, sorted(holders), problem)


def _problem(service: Object, refusals: Mapping[str, str]) -> str:
    if not is_balanced(service):
        return f"of class {service['spec']['loadBalancerClass']}, which is somebody else's"
    return refusals.get(meta.key(service), "waits for an address")


def refusals(events: Iterable[Object]) -> dict[str, str]:
    """The last one said of each Service. events: in any order."""
    ordered = sorted(events, key=lambda each: str(each.get("lastTimestamp") or ""))
    said = [each for each in ordered if each.get("reason") == "AllocationFailed"]
    return {
        f"{each['involvedObject'].get('namespace')}/{each['involvedObject'].get('name')}": each["message"].removeprefix(_NO_ADDRESS)
        for each in said
    }


def pool_rows(pools: Iterable[Object], state: Object | None) -> list[PoolRow]:
    """state: the ConfigurationState of the controller, which names pools that are left out."""
    said = ((state or {}).get("status") or {}).get("lastError") or ""
    problems = dict(part.removeprefix("pool ").split(": ", 1) for part in said.split("; pool ") if ": " in part)
    return [_row(each, problems) for each in sorted(pools, key=meta.name)]


def _row(pool: Object, problems: Mapping[str, str]) -> PoolRow:
    status = pool.get("status") or {}
    used = int(status.get("assignedIPv4") or 0) + int(status.get("assignedIPv6") or 0)
    free = int(status.get("availableIPv4") or 0) + int(status.get("availableIPv6") or 0)
    return PoolRow(meta.name(pool), pool["spec"].get("addresses") or [], used, free, problems.get(meta.name(pool), ""))


def document(found: Iterable[Balancer | PoolRow]) -> list[Object]:
    return [asdict(each) for each in found]
