"""Which cluster addresses there are, and whose they are: the networks of ServiceCIDRs, and what Services and IPAddresses hold.

Services are the truth. The IPAddresses that follow them hold nothing of their own (a Service that is gone has given its address
back, whether its IPAddress is gone already or not); those that others have made keep their addresses from Services.
"""

import ipaddress
from collections.abc import Iterator

from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.apiserver.kinds.service_networks import ALLOCATOR, MANAGED_BY
from pilothouse.engine.apiserver.services.pool import Pool, Span
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import IPADDRESSES, SERVICECIDRS

DEFAULT = "kubernetes"
"""The ServiceCIDR of the cluster's own network; addresses are taken from it first."""
_SERVICE = "services/"


def owner_of(namespace: str, name: str) -> str:
    """How the pool knows a Service."""
    return f"{_SERVICE}{namespace}/{name}"


def networks_of(cidr: Object) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in (cidr.get("spec") or {}).get("cidrs") or ()]


def of_service(service: Object) -> Iterator[int]:
    for text in (service.get("spec") or {}).get("clusterIPs") or ():
        if text != "None":
            yield int(ipaddress.ip_address(text))


class Addresses:
    """pool: of addresses as numbers; who writes Services reserves in it and fills it (see `allocation`).

    pods: the network of all pods, "" when it is not known. A ServiceCIDR that overlaps it gives no addresses: Service and pod would
    have the same one.
    """

    def __init__(self, pods: str = "") -> None:
        self.pool = Pool()
        self._pods = ipaddress.IPv4Network(pods) if pods else None
        self._networks: dict[str, list[ipaddress.IPv4Network]] = {}

    def follow(self, store: Store) -> None:
        follow_resource(store, SERVICECIDRS, _Cidrs(self))
        follow_resource(store, IPADDRESSES, _Claims(self.pool))

    def set_networks(self, name: str, networks: list[ipaddress.IPv4Network]) -> None:
        """Of one ServiceCIDR; none for one that is ending or gone."""
        self._networks.pop(name, None)
        if networks:
            self._networks[name] = networks
        self.pool.spans = tuple(_span(network) for network in self.networks)

    @property
    def networks(self) -> list[ipaddress.IPv4Network]:
        """From which addresses are given."""
        names = sorted(self._networks, key=lambda name: (name != DEFAULT, name))
        return list(dict.fromkeys(network for name in names for network in self._networks[name]))

    def overlap(self, cidr: Object) -> str:
        """Why a ServiceCIDR gives no addresses, though it is not ending; "" when it does."""
        for network in networks_of(cidr):
            if self._pods is not None and network.overlaps(self._pods):
                what = f"{network} overlaps the network of the pods, {self._pods}"
                return (
                    f"{what}, so that no Service gets an address from it: delete it, and create one with a network outside of {self._pods}"
                )
        return ""

    def service_at(self, number: int, preferred: str = "") -> tuple[str, str] | None:
        """Namespace and name of the Service that has the address. preferred: an owner that is taken before others."""
        found = sorted(holder for holder in self.pool.holders(number) if holder.startswith(_SERVICE))
        if not found:
            return None
        owner = preferred if preferred in found else found[0]
        namespace, _, name = owner.removeprefix(_SERVICE).partition("/")
        return namespace, name

    def is_needed(self, name: str, networks: list[ipaddress.IPv4Network]) -> bool:
        """Whether a Service has an address that is in these networks, of the ServiceCIDR of that name, and in none of the others'."""
        return self._is_among(self.pool.held(), name, networks)

    def is_reserved(self, name: str, networks: list[ipaddress.IPv4Network]) -> bool:
        """Whether a Service is about to get such an address, or not."""
        return self._is_among(self.pool.reserved(), name, networks)

    def _is_among(self, taken: Iterator[tuple[int, str]], name: str, networks: list[ipaddress.IPv4Network]) -> bool:
        spans = [_whole(network) for network in networks]
        # Its own may still count here: who asks can know of its end before it has been told here.
        others = [_whole(network) for other, found in self._networks.items() if other != name for network in found]
        numbers = (number for number, owner in taken if owner.startswith(_SERVICE))
        return any(any(number in span for span in spans) and not any(number in other for other in others) for number in numbers)


def _span(network: ipaddress.IPv4Network) -> Span:
    """Without the network's first address and its last. Of the others a sixteenth, at least 16 and at most 256, is left to who asks."""
    whole = _whole(network)
    return Span(whole[1:-1], min(max(16, len(whole) // 16), 256))


def _whole(network: ipaddress.IPv4Network) -> range:
    first = int(network.network_address)
    return range(first, first + network.num_addresses)


class _Cidrs:
    """An index (see `follow_resource`)."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._names: set[str] = set()

    def put(self, namespace: str, name: str, value: Object) -> None:
        self._names.add(name)
        is_used = not meta.is_deleting(value) and not self._addresses.overlap(value)
        self._addresses.set_networks(name, networks_of(value) if is_used else [])

    def drop(self, namespace: str, name: str) -> None:
        self._names.discard(name)
        self._addresses.set_networks(name, [])

    def clear(self) -> None:
        for name in tuple(self._names):
            self.drop("", name)


class _Claims:
    """An index (see `follow_resource`) of the IPv4 addresses that are claimed by others than Services."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: dict[str, int] = {}

    def put(self, namespace: str, name: str, value: Object) -> None:
        self.drop(namespace, name)
        number = claimed(name)
        if number is not None and not is_followed(value):
            self._held[name] = number
            self._pool.hold(number, f"ipaddresses/{name}", owner_of_parent(name, value))

    def drop(self, namespace: str, name: str) -> None:
        number = self._held.pop(name, None)
        if number is not None:
            self._pool.let_go(number, f"ipaddresses/{name}")

    def clear(self) -> None:
        for name in tuple(self._held):
            self.drop("", name)


def claimed(name: str) -> int | None:
    """The number of an IPAddress's name, None for addresses that no Service of this cluster can have."""
    address = ipaddress.ip_address(name)
    return int(address) if address.version == 4 else None


def is_followed(value: Object) -> bool:
    """Whether the IPAddress follows a Service."""
    return meta.labels(value).get(MANAGED_BY) == ALLOCATOR


def owner_of_parent(name: str, value: Object) -> str:
    parent = (value.get("spec") or {}).get("parentRef") or {}
    is_service = not parent.get("group") and parent.get("resource") == "services"
    return owner_of(parent.get("namespace", ""), parent.get("name", "")) if is_service else f"ipaddresses/{name}"
