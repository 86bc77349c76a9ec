"""What the cluster's names stand for, looked up in the informers' caches. Nothing here waits.

Source: Kubernetes DNS-Based Service Discovery, version 1.1.0. A name that is not there (None) and a name without records of the
type asked for ([]) are different answers: a resolver goes on searching only after the first.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator

from pilothouse.client.informers import Informers
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NAMESPACES, SERVICES
from pilothouse.network.dns.codec import AAAA, ANY, CNAME, NS, PTR, SOA, SRV, TXT, A, Authority, Name, Record, Service, name_of
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.dns.reverse import ReverseZones, dashed, pod_address

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SCHEMA_VERSION = b"1.1.0"
NAMESPACE_SET = "*"
"""Key of names that hang on which namespaces there are, or on nothing that changes."""
Found = list[Record] | None


def _service_key(slice_: Object) -> Iterator[str]:
    metadata = slice_["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    if name:
        yield f"{metadata['namespace']}/{name}"


def _endpoint_addresses(slice_: Object) -> list[str]:
    return [address for endpoint in slice_.get("endpoints") or () for address in endpoint["addresses"]]


def cluster_addresses(service: Object) -> list[str]:
    spec = service.get("spec", {})
    return [address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if address and address != "None"]


class Zone:
    def __init__(self, informers: Informers, config: ClusterDNSConfig) -> None:
        self.origin = name_of(config.zone)
        self.ttl_s = config.ttl_s
        self._config = config
        self._services = informers.of(SERVICES, indexes={"cluster-address": cluster_addresses})
        self._slices = informers.of(ENDPOINTSLICES, indexes={"service": _service_key, "address": _endpoint_addresses})
        self._namespaces = informers.of(NAMESPACES)
        self.reverse_zones = ReverseZones(config.networks)

    def on_change(self, forget: Callable[[str], None]) -> None:
        """forget: hears `key` of the names whose answers may have changed."""

        def service_changed(old: Object | None, new: Object | None) -> None:
            service = old or new
            if service is not None:
                forget(meta.key(service))

        def slice_changed(old: Object | None, new: Object | None) -> None:
            for key in {key for slice_ in (old, new) if slice_ is not None for key in _service_key(slice_)}:
                forget(key)

        def namespace_changed(old: Object | None, new: Object | None) -> None:
            if old is None or new is None:
                forget(NAMESPACE_SET)

        self._services.on_change(service_changed)
        self._slices.on_change(slice_changed)
        self._namespaces.on_change(namespace_changed)

    def key(self, name: Name) -> str:
        """What the answer for a name inside the zone is made of: `namespace/name` of a Service, or NAMESPACE_SET."""
        match name[: -len(self.origin)]:
            case (*_, service, namespace, "svc"):
                return f"{namespace}/{service}"
        return NAMESPACE_SET

    async def wait_synced(self) -> None:
        for informer in (self._services, self._slices, self._namespaces):
            await informer.wait_synced()

    def contains(self, name: Name) -> bool:
        return name[-len(self.origin) :] == self.origin

    def authority(self, name: Name | None = None) -> Record:
        server, mailbox = ("ns", "dns", *self.origin), ("hostmaster", *self.origin)
        ttl_s = self._config.ttl_s
        value = Authority(server, mailbox, int(time.time()), 7200, 1800, 86400, ttl_s)
        return Record(name or self.origin, SOA, ttl_s, value)

    def resolve(self, name: Name, type_: int) -> Found:
        """name: inside the zone. A CNAME is returned alone; following it is the caller's business."""
        relative = name[: -len(self.origin)]
        match relative:
            case ():
                apex = [self.authority(), self._record(name, NS, ("ns", "dns", *self.origin))]
                return [record for record in apex if type_ in (record.type, ANY)]
            case ("dns-version",):
                return [self._record(name, TXT, SCHEMA_VERSION)] if type_ in (TXT, ANY) else []
            case ("svc",) | ("pod",) | ("dns",):
                return []
            case ("ns", "dns"):
                return self._addresses(name, self._config.cluster_ips, type_)
            case (namespace, "svc") | (namespace, "pod"):
                return [] if self._namespaces.get(namespace) is not None else None
            case (label, namespace, "pod"):
                return self._pod(name, label, namespace, type_)
            case (*front, service, namespace, "svc"):
                return self._service(name, tuple(front), f"{namespace}/{service}", type_)
        return None

    def reverse(self, name: Name, address: str, type_: int) -> Found:
        names = [*self._service_names(address), *self._endpoint_names(address)]
        if not names:
            return None
        return [self._record(name, PTR, target) for target in dict.fromkeys(names)] if type_ in (PTR, ANY) else []

    def _record(self, name: Name, type_: int, value: str | bytes | Name | Service) -> Record:
        return Record(name, type_, self._config.ttl_s, value)

    def _addresses(self, name: Name, addresses: Iterable[str], type_: int) -> list[Record]:
        """In any order, so that clients which take the first spread over all."""
        records = [self._record(name, AAAA if ":" in address else A, address) for address in dict.fromkeys(addresses)]
        random.shuffle(records)
        return [record for record in records if type_ in (record.type, ANY)]

    def _pod(self, name: Name, label: str, namespace: str, type_: int) -> Found:
        """The address is in the name itself; no pod needs to have it (as upstream's default, "insecure")."""
        if self._namespaces.get(namespace) is None:
            return None
        address = pod_address(label)
        return None if address is None else self._addresses(name, [address], type_)

    def _service(self, name: Name, front: Name, key: str, type_: int) -> Found:
        service = self._services.get(key)
        if service is None:
            return None
        if service["spec"].get("type") == "ExternalName":
            return None if front else [self._record(name, CNAME, name_of(service["spec"].get("externalName", "")))]
        addresses = cluster_addresses(service)
        match front:
            case ():
                return self._addresses(name, addresses, type_) if addresses else self._headless(name, service, key, type_)
            case (port, protocol) if len(port) > 1 and port[0] == protocol[:1] == "_":
                return self._ports(name, service, key, (port[1:], protocol[1:]), type_)
            case (host,) if not host.startswith("_"):
                found = [address for hostname, address in self._hosts(service, key) if hostname == host]
                return self._addresses(name, found, type_) if found else None
            case (protocol,):
                return [] if any(_offers(port, protocol[1:]) for port in service["spec"].get("ports") or ()) else None
        return None

    def _headless(self, name: Name, service: Object, key: str, type_: int) -> Found:
        """Without a ready endpoint the name does not exist: so says the specification."""
        addresses = [address for _, address in self._hosts(service, key)]
        return self._addresses(name, addresses, type_) if addresses else None

    def _ports(self, name: Name, service: Object, key: str, wanted: tuple[str, str], type_: int) -> Found:
        base = (service["metadata"]["name"], service["metadata"]["namespace"], "svc", *self.origin)
        if cluster_addresses(service):
            ports = service["spec"].get("ports") or ()
            targets = [(base, port["port"]) for port in ports if _port_names(port) == wanted]
        else:
            targets = [((host, *base), number) for host, number in self._offered(service, key, wanted)]
        if not targets:
            return None
        records = [self._record(name, SRV, Service(0, 100 // len(targets), port, target)) for target, port in dict.fromkeys(targets)]
        return records if type_ in (SRV, ANY) else []

    def targets(self, records: Iterable[Record]) -> Iterator[Record]:
        """Addresses of the hosts that SRV records of one service name, for the additional section; made as they are taken."""
        hosts = dict.fromkeys(record.value.target for record in records if isinstance(record.value, Service))
        of_service: dict[Name, dict[str, list[str]]] = {}
        for host in hosts:
            if len(host) == len(self.origin) + 3:
                yield from self.resolve(host, ANY) or ()
                continue
            name, base = host[0], host[1:]
            if base not in of_service:
                of_service[base] = self._host_addresses(f"{base[1]}/{base[0]}")
            yield from self._addresses(host, of_service[base].get(name, ()), ANY)

    def _host_addresses(self, key: str) -> dict[str, list[str]]:
        """Of a headless service's endpoints, by their names."""
        service = self._services.get(key)
        found: dict[str, list[str]] = {}
        for hostname, address in self._hosts(service, key) if service is not None else ():
            found.setdefault(hostname, []).append(address)
        return found

    def _usable(self, service: Object, key: str) -> Iterator[tuple[Object, Object]]:
        """Slice and endpoint, for each endpoint that has a name."""
        for slice_ in self._slices.by_index("service", key):
            if slice_.get("addressType") == "FQDN":
                continue  # Names, which no address record can hold.
            yield from ((slice_, endpoint) for endpoint in slice_.get("endpoints") or () if _is_usable(service, endpoint))

    def _hosts(self, service: Object, key: str) -> Iterator[tuple[str, str]]:
        for _, endpoint in self._usable(service, key):
            yield from ((_hostname(endpoint, address), address) for address in endpoint["addresses"])

    def _offered(self, service: Object, key: str, wanted: tuple[str, str]) -> Iterator[tuple[str, int]]:
        numbers: dict[int, list[int]] = {}
        for slice_, endpoint in self._usable(service, key):
            if id(slice_) not in numbers:
                numbers[id(slice_)] = [
                    port["port"] for port in slice_.get("ports") or () if _port_names(port) == wanted and port.get("port")
                ]
            for number in numbers[id(slice_)]:
                yield from ((_hostname(endpoint, address), number) for address in endpoint["addresses"])

    def _service_names(self, address: str) -> Iterator[Name]:
        for service in self._services.by_index("cluster-address", address):
            metadata = service["metadata"]
            yield (metadata["name"], metadata["namespace"], "svc", *self.origin)

    def _endpoint_names(self, address: str) -> Iterator[Name]:
        """Only endpoints with a hostname of their own: the others' names say nothing that the address does not."""
        for slice_ in self._slices.by_index("address", address):
            for key in _service_key(slice_):
                service = self._services.get(key)
                if service is None or cluster_addresses(service):
                    continue
                namespace, _, name = key.partition("/")
                for endpoint in slice_["endpoints"]:
                    if address in endpoint["addresses"] and endpoint.get("hostname") and _is_usable(service, endpoint):
                        yield (endpoint["hostname"].lower(), name, namespace, "svc", *self.origin)


def _is_usable(service: Object, endpoint: Object) -> bool:
    """What the specification calls ready."""
    if service["spec"].get("publishNotReadyAddresses"):
        return True
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _offers(port: Object, protocol: str) -> bool:
    """Whether names of a port lie below the protocol's, which is then there without records of its own."""
    return bool(port.get("name")) and _port_names(port)[1] == protocol


def _port_names(port: Object) -> tuple[str, str]:
    return (port.get("name") or "").lower(), (port.get("protocol") or "TCP").lower()


def _hostname(endpoint: Object, address: str) -> str:
    return str(endpoint.get("hostname") or "").lower() or dashed(address)
