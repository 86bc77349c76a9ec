"""Cluster addresses and node ports of Services.

A create is given what it does not state; an update keeps what it had. Source: kubernetes pkg/registry/core/service/storage/alloc.go.
"""

import ipaddress
from collections.abc import Iterator

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.following import follow
from pilothouse.engine.apiserver.services.pool import Pool
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import Cause, Internal, Invalid
from pilothouse.model.json import Object

_PREFIX = "/services/"
_WITH_PORTS = ("NodePort", "LoadBalancer")


class Allocation:
    """cidr: of cluster addresses (IPv4); node_ports: inclusive first, exclusive last."""

    def __init__(self, cidr: str, node_ports: range) -> None:
        self.network = ipaddress.IPv4Network(cidr)
        first = int(self.network.network_address)
        size = self.network.num_addresses
        # A sixteenth, at least 16 and at most 256, is left to those who ask for an address of their own.
        self._addresses = Pool(range(first + 1, first + size - 1), min(max(16, size // 16), 256))
        self._ports = Pool(node_ports, 0 if len(node_ports) < 32 else min(max(16, len(node_ports) // 32), 128))
        self._held: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def follow(self, store: Store) -> None:
        follow(store, (_PREFIX,), self)

    def put(self, key: str, service: Object) -> None:
        self.drop(key)
        held = self._held[key] = tuple(_addresses(service)), tuple(_ports(service))
        for pool, numbers in zip((self._addresses, self._ports), held, strict=True):
            for number in numbers:
                pool.hold(number, key)

    def drop(self, key: str) -> None:
        for pool, numbers in zip((self._addresses, self._ports), self._held.pop(key, ((), ())), strict=True):
            for number in numbers:
                pool.let_go(number, key)

    def clear(self) -> None:
        for key in tuple(self._held):
            self.drop(key)

    def reserve(self, write: Write) -> None:
        """Raises Invalid, Internal when the range is used up (see `admission.chain.Reserving`)."""
        if write.group_resource == "services" and write.operation in ("CREATE", "UPDATE") and not write.subresource:
            self._allocate(write)

    def _allocate(self, write: Write) -> None:
        service = write.new()
        spec = service["spec"]
        owner = write.served.key(write.namespace, write.name or service["metadata"]["name"])
        if spec.get("type") != "ExternalName":
            _families(write, spec)
            if spec.get("clusterIP") != "None":
                self._address(write, spec, owner)
        if spec.get("type") in _WITH_PORTS and spec.get("allocateLoadBalancerNodePorts", True):
            self._node_ports(write, spec, owner)

    def _address(self, write: Write, spec: Object, owner: str) -> None:
        stated = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if stated:
            number = self._stated_address(write, stated, owner)
        else:
            chosen = self._addresses.pick(owner)
            if chosen is None:
                text = f"failed to allocate a serviceIP: range is full ({self.network})"
                raise Internal(f"Internal error occurred: {text}")
            number = chosen
        self._reserve(write, self._addresses, number, owner)
        spec["clusterIP"] = str(ipaddress.IPv4Address(number))
        spec["clusterIPs"] = [spec["clusterIP"]]

    def _stated_address(self, write: Write, stated: str, owner: str) -> int:
        number = int(ipaddress.ip_address(stated))
        problem = ""
        if number not in self._addresses.numbers:
            problem = f"the provided IP ({stated}) is not in the valid range. The range of valid IPs is {self.network}"
            problem = problem.replace(f"the provided IP ({stated})", "provided IP")
        elif not self._addresses.is_free(number, owner):
            problem = "provided IP is already allocated"
        if problem:
            text = f'Invalid value: ["{stated}"]: failed to allocate IP {stated}: {problem}'
            raise _invalid(write, Cause("spec.clusterIPs", "FieldValueInvalid", text))
        return number

    def _node_ports(self, write: Write, spec: Object, owner: str) -> None:
        by_stated: dict[int, bool] = {}
        for index, port in enumerate(spec.get("ports") or ()):
            stated = port.get("nodePort") or 0
            if stated and stated not in by_stated:
                self._stated_port(write, index, stated, owner)
                by_stated[stated] = True
            elif not stated:
                chosen = self._ports.pick(owner)
                if chosen is None:
                    raise Internal("Internal error occurred: failed to allocate a nodePort: range is full")
                self._reserve(write, self._ports, chosen, owner)
                port["nodePort"] = chosen
        if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local" and not spec.get("healthCheckNodePort"):
            chosen = self._ports.pick(owner)
            if chosen is not None:
                self._reserve(write, self._ports, chosen, owner)
                spec["healthCheckNodePort"] = chosen

    def _stated_port(self, write: Write, index: int, stated: int, owner: str) -> None:
        numbers = self._ports.numbers
        problem = ""
        if stated not in numbers and not write.dry_run:
            problem = f"provided port is not in the valid range. The range of valid ports is {numbers.start}-{numbers.stop - 1}"
        elif not self._ports.is_free(stated, owner):
            problem = "provided port is already allocated"
        if problem:
            text = f"Invalid value: {stated}: {problem}"
            raise _invalid(write, Cause(f"spec.ports[{index}].nodePort", "FieldValueInvalid", text))
        self._reserve(write, self._ports, stated, owner)

    def _reserve(self, write: Write, pool: Pool, number: int, owner: str) -> None:
        pool.reserve(number, owner)
        write.on_release(lambda: pool.unreserve(number))


def _families(write: Write, spec: Object) -> None:
    """The cluster has one address family; a headless Service without selector may name addresses of both."""
    policy = spec.get("ipFamilyPolicy") or "SingleStack"
    families = spec.get("ipFamilies") or []
    headless_alone = spec.get("clusterIP") == "None" and not spec.get("selector")
    if "IPv6" in families and not headless_alone:
        index, text = families.index("IPv6"), 'Invalid value: "IPv6": not configured on this cluster'
        raise _invalid(write, Cause(f"spec.ipFamilies[{index}]", "FieldValueInvalid", text))
    if headless_alone and not families:
        policy, families = spec.get("ipFamilyPolicy") or "RequireDualStack", ["IPv4", "IPv6"]
    spec["ipFamilyPolicy"], spec["ipFamilies"] = policy, families or ["IPv4"]


def _invalid(write: Write, cause: Cause) -> Invalid:
    return Invalid.of("Service", write.name or write.new()["metadata"].get("name", ""), [cause])


def _addresses(service: Object) -> Iterator[int]:
    for text in (service.get("spec") or {}).get("clusterIPs") or ():
        if text != "None":
            yield int(ipaddress.ip_address(text))


def _ports(service: Object) -> Iterator[int]:
    spec = service.get("spec") or {}
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"]
    if spec.get("healthCheckNodePort"):
        yield spec["healthCheckNodePort"]
