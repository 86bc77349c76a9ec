"""Cluster addresses and node ports of Services.

A create is given what it does not state; an update keeps what it had. Source: kubernetes pkg/registry/core/service/storage/alloc.go.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.apiserver.kinds import service_shape
from pilothouse.engine.apiserver.services import addresses
from pilothouse.engine.apiserver.services.addresses import Addresses, owner_of
from pilothouse.engine.apiserver.services.pool import Pool, Span
from pilothouse.engine.store.store import Store
from pilothouse.model import networks
from pilothouse.model.errors import AlreadyExists, Cause, Internal, Invalid
from pilothouse.model.json import Object, dumps
from pilothouse.model.kinds import IPADDRESSES, SERVICECIDRS, SERVICES

_WITH_PORTS = ("NodePort", "LoadBalancer")


class Allocation:
    """An index (see `follow_resource`) of what Services hold, and the plugin that takes it.

    cidrs: the networks of the ServiceCIDR `kubernetes`, one or one of each family, the default one first; node_ports: inclusive first,
    exclusive last. pods: see `addresses`.
    """

    def __init__(self, cidrs: Sequence[str], node_ports: range, *, pods: Sequence[str] = ()) -> None:
        self.networks = networks.parse(cidrs)
        self.addresses = Addresses(pods)
        self._ports = Pool([Span(node_ports, 0 if len(node_ports) < 32 else min(max(16, len(node_ports) // 32), 128))])
        self._port_numbers = node_ports
        self._held: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def follow(self, store: Store) -> None:
        self.addresses.follow(store)
        follow_resource(store, SERVICES, self)

    def put(self, namespace: str, name: str, service: Object) -> None:
        self.drop(namespace, name)
        owner = owner_of(namespace, name)
        held = self._held[owner] = tuple(addresses.of_service(service)), tuple(_ports(service))
        for pool, numbers in zip((self.addresses.pool, self._ports), held, strict=True):
            for number in numbers:
                pool.hold(number, owner, owner)

    def drop(self, namespace: str, name: str) -> None:
        owner = owner_of(namespace, name)
        for pool, numbers in zip((self.addresses.pool, self._ports), self._held.pop(owner, ((), ())), strict=True):
            for number in numbers:
                pool.let_go(number, owner)

    def clear(self) -> None:
        for owner in tuple(self._held):
            _, namespace, name = owner.split("/")
            self.drop(namespace, name)

    def reserve(self, write: Write) -> None:
        """Raises Invalid, AlreadyExists, Internal when the range is used up (see `admission.chain.Reserving`)."""
        if write.group_resource == SERVICES.group_resource and write.operation in ("CREATE", "UPDATE") and not write.subresource:
            self._allocate(write)
        elif write.group_resource == IPADDRESSES.group_resource and write.operation == "CREATE":
            self._claim(write)
        elif write.group_resource == SERVICECIDRS.group_resource and write.operation == "CREATE":
            self._warn(write)

    def _warn(self, write: Write) -> None:
        if overlap := self.addresses.overlap(write.new()):
            write.warn(overlap)

    def _claim(self, write: Write) -> None:
        """An address that somebody takes without a Service, which may have it only while no other has."""
        name = write.new()["metadata"]["name"]
        number = addresses.claimed(name)
        owner = addresses.owner_of_parent(name, write.new())
        if not self.addresses.pool.is_free(number, owner):
            raise AlreadyExists.of(IPADDRESSES.plural, name, IPADDRESSES.group)
        self._reserve(write, self.addresses.pool, number, owner)

    def _allocate(self, write: Write) -> None:
        service = write.new()
        spec = service["spec"]
        owner = owner_of(write.namespace, write.name or service["metadata"]["name"])
        if spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
            self._cluster_addresses(write, spec, owner)
        if spec.get("type") in _WITH_PORTS:
            self._node_ports(write, spec, owner)
        if service_shape.has_health_port(spec):
            self._health_check_port(write, spec, owner)

    def _cluster_addresses(self, write: Write, spec: Object, owner: str) -> None:
        """One of each of the Service's families; stated ones, and those that it has, are in `clusterIPs`, in the order of the families."""
        stated = list(spec.get("clusterIPs") or ())
        found = [
            self._stated_address(write, stated, index, owner) if index < len(stated) else self._next_address(write, family, owner)
            for index, family in enumerate(spec["ipFamilies"])
        ]
        spec["clusterIP"], spec["clusterIPs"] = found[0], found

    def _next_address(self, write: Write, family: str, owner: str) -> str:
        chosen = self.addresses.pick(family)
        if chosen is None:
            text = f"failed to allocate a serviceIP: range is full ({self._shown_networks(family)})"
            raise Internal(f"Internal error occurred: {text}")
        self._reserve(write, self.addresses.pool, addresses.number_of(chosen), owner)
        return str(chosen)

    def _shown_networks(self, family: str) -> str:
        return ", ".join(map(str, self.addresses.networks(family)))

    def _stated_address(self, write: Write, stated: Sequence[str], index: int, owner: str) -> str:
        """A Service keeps the address that it has, also when its network is no longer one of the cluster's."""
        address = ipaddress.ip_address(stated[index])
        number, pool = addresses.number_of(address), self.addresses.pool
        problem = ""
        if not pool.has(number) and not pool.is_held_by(number, owner):
            valid = self._shown_networks(networks.family(address))
            problem = f"provided IP is not in the valid range. The range of valid IPs is {valid}"
        elif not pool.is_free(number, owner):
            problem = "provided IP is already allocated"
        if problem:
            text = f"Invalid value: {dumps(list(stated)).decode()}: failed to allocate IP {stated[index]}: {problem}"
            raise _invalid(write, Cause("spec.clusterIPs", "FieldValueInvalid", text))
        self._reserve(write, pool, number, owner)
        return stated[index]

    def _node_ports(self, write: Write, spec: Object, owner: str) -> None:
        """Ports that are stated are taken also for a load balancer that is to be given none."""
        is_given = spec.get("allocateLoadBalancerNodePorts", True) or spec["type"] == "NodePort"
        by_stated: set[int] = set()
        for index, port in enumerate(spec.get("ports") or ()):
            stated = port.get("nodePort") or 0
            if stated and stated not in by_stated:
                self._stated_port(write, f"spec.ports[{index}].nodePort", stated, owner)
                by_stated.add(stated)
            elif not stated and is_given:
                chosen = self._ports.pick()
                if chosen is None:
                    raise Internal("Internal error occurred: failed to allocate a nodePort: range is full")
                self._reserve(write, self._ports, chosen, owner)
                port["nodePort"] = chosen

    def _health_check_port(self, write: Write, spec: Object, owner: str) -> None:
        if stated := spec.get("healthCheckNodePort"):
            self._stated_port(write, "spec.healthCheckNodePort", stated, owner)
        elif (chosen := self._ports.pick()) is not None:
            self._reserve(write, self._ports, chosen, owner)
            spec["healthCheckNodePort"] = chosen

    def _stated_port(self, write: Write, path: str, stated: int, owner: str) -> None:
        numbers = self._port_numbers
        problem = ""
        if stated not in numbers and not write.dry_run:
            problem = f"provided port is not in the valid range. The range of valid ports is {numbers.start}-{numbers.stop - 1}"
        elif not self._ports.is_free(stated, owner):
            problem = "provided port is already allocated"
        if problem:
            raise _invalid(write, Cause(path, "FieldValueInvalid", f"Invalid value: {stated}: {problem}"))
        self._reserve(write, self._ports, stated, owner)

    def _reserve(self, write: Write, pool: Pool, number: int, owner: str) -> None:
        pool.reserve(number, owner)
        write.on_release(lambda: pool.unreserve(number, owner))


def _invalid(write: Write, cause: Cause) -> Invalid:
    return Invalid.of("Service", write.name or write.new()["metadata"].get("name", ""), [cause])


def _ports(service: Object) -> Iterator[int]:
    spec = service.get("spec") or {}
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"]
    if spec.get("healthCheckNodePort"):
        yield spec["healthCheckNodePort"]
