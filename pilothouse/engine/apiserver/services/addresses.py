"""Which cluster addresses there are, and whose they are: the networks of ServiceCIDRs, and what Services and IPAddresses hold.

Services are the truth. The IPAddresses that follow them hold nothing of their own (a Service that is gone has given its address
back, whether its IPAddress is gone already or not); those that others have made keep their addresses from Services.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.apiserver.kinds.service_networks import ALLOCATOR, MANAGED_BY
from pilothouse.engine.apiserver.services.pool import Pool, Span, size
from pilothouse.engine.store.store import Store
from pilothouse.model import meta, networks
from pilothouse.model.json import Object
from pilothouse.model.kinds import IPADDRESSES, SERVICECIDRS
from pilothouse.model.networks import Address, Network

DEFAULT = "kubernetes"
"""The ServiceCIDR of the cluster's own networks; addresses are taken from them first."""
_SERVICE = "services/"
_IPV6 = 1 << 128
"""What is added to the number of an IPv6 address: it is another than the IPv4 address with the same bits."""


def owner_of(namespace: str, name: str) -> str:
    """How the pool knows a Service."""
    return f"{_SERVICE}{namespace}/{name}"


def networks_of(cidr: Object) -> list[Network]:
    return list(networks.parse((cidr.get("spec") or {}).get("cidrs") or ()))


def number_of(address: Address) -> int:
    """How the pool knows an address: those of both families are in one pool."""
    return int(address) + (_IPV6 if address.version == 6 else 0)


def address_at(number: int) -> Address:
    return ipaddress.IPv6Address(number - _IPV6) if number >= _IPV6 else ipaddress.IPv4Address(number)


def of_service(service: Object) -> Iterator[int]:
    for text in (service.get("spec") or {}).get("clusterIPs") or ():
        if text != "None":
            yield number_of(ipaddress.ip_address(text))


class Addresses:
    """pool: of addresses as numbers; who writes Services reserves in it and fills it (see `allocation`).

    pods: the networks of all pods, none when they are not known. A ServiceCIDR that overlaps one gives no addresses: Service and pod
    would have the same one.
    """

    def __init__(self, pods: Sequence[str] = ()) -> None:
        self.pool = Pool()
        self._pods = networks.parse(pods)
        self._networks: dict[str, list[Network]] = {}
        self._given: dict[Network, Span] = {}

    def follow(self, store: Store) -> None:
        follow_resource(store, SERVICECIDRS, _Cidrs(self))
        follow_resource(store, IPADDRESSES, _Claims(self.pool))

    def set_networks(self, name: str, found: list[Network]) -> None:
        """Of one ServiceCIDR; none for one that is ending or gone."""
        self._networks.pop(name, None)
        if found:
            self._networks[name] = found
        names = sorted(self._networks, key=lambda name: (name != DEFAULT, name))
        self._given = {network: _span(network) for name in names for network in self._networks[name]}
        self.pool.spans = tuple(self._given.values())

    def networks(self, family: str) -> list[Network]:
        """From which addresses of a family are given, the cluster's own first."""
        return [network for network in self._given if networks.family(network) == family]

    def pick(self, family: str) -> Address | None:
        """A free address, None when all are taken."""
        number = self.pool.pick(self._given[network] for network in self.networks(family))
        return None if number is None else address_at(number)

    def overlap(self, cidr: Object) -> str:
        """Why a ServiceCIDR gives no addresses, though it is not ending; "" when it does."""
        for network in networks_of(cidr):
            pods = next((each for each in self._pods if networks.overlap(network, each)), None)
            if pods is not None:
                what = f"{network} overlaps the network of the pods, {pods}"
                return f"{what}, so that no Service gets an address from it: delete it, and create one with a network outside of {pods}"
        return ""

    def service_at(self, number: int, preferred: str = "") -> tuple[str, str] | None:
        """Namespace and name of the Service that has the address. preferred: an owner that is taken before others."""
        found = sorted(holder for holder in self.pool.holders(number) if holder.startswith(_SERVICE))
        if not found:
            return None
        owner = preferred if preferred in found else found[0]
        namespace, _, name = owner.removeprefix(_SERVICE).partition("/")
        return namespace, name

    def is_needed(self, name: str, own: list[Network]) -> bool:
        """Whether a Service has an address that is in these networks, of the ServiceCIDR of that name, and in none of the others'."""
        return self._is_among(self.pool.held(), name, own)

    def is_reserved(self, name: str, own: list[Network]) -> bool:
        """Whether a Service is about to get such an address, or not."""
        return self._is_among(self.pool.reserved(), name, own)

    def _is_among(self, taken: Iterator[tuple[int, str]], name: str, own: list[Network]) -> bool:
        spans = [_whole(network) for network in own]
        # Its own may still count here: who asks can know of its end before it has been told here.
        others = [_whole(network) for other, found in self._networks.items() if other != name for network in found]
        numbers = (number for number, owner in taken if owner.startswith(_SERVICE))
        return any(any(number in span for span in spans) and not any(number in other for other in others) for number in numbers)


def _span(network: Network) -> Span:
    """Without the network's first address and, of IPv4, its last: that of the network itself or of all routers, and that of all hosts.

    Of the others a sixteenth, at least 16 and at most 256, is left to who asks.
    """
    whole = _whole(network)
    return Span(whole[1:-1] if network.version == 4 else whole[1:], min(max(16, size(whole) // 16), 256))


def _whole(network: Network) -> range:
    first = number_of(network.network_address)
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
    """An index (see `follow_resource`) of the addresses that are claimed by others than Services."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: dict[str, int] = {}

    def put(self, namespace: str, name: str, value: Object) -> None:
        self.drop(namespace, name)
        number = claimed(name)
        if not is_followed(value):
            self._held[name] = number
            self._pool.hold(number, f"ipaddresses/{name}", owner_of_parent(name, value))

    def drop(self, namespace: str, name: str) -> None:
        number = self._held.pop(name, None)
        if number is not None:
            self._pool.let_go(number, f"ipaddresses/{name}")

    def clear(self) -> None:
        for name in tuple(self._held):
            self.drop("", name)


def claimed(name: str) -> int:
    """The number of the address that an IPAddress is named by."""
    return number_of(ipaddress.ip_address(name))


def is_followed(value: Object) -> bool:
    """Whether the IPAddress follows a Service."""
    return meta.labels(value).get(MANAGED_BY) == ALLOCATOR


def owner_of_parent(name: str, value: Object) -> str:
    parent = (value.get("spec") or {}).get("parentRef") or {}
    is_service = not parent.get("group") and parent.get("resource") == "services"
    return owner_of(parent.get("namespace", ""), parent.get("name", "")) if is_service else f"ipaddresses/{name}"
