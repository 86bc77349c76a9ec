"""The Container Network Interface as text: requests, results, errors.

Source: CNI specification 1.0.0, sections 2 (execution protocol) and 5 (result types).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model.json import JSONError, Object, loads
from pilothouse.network.pod.family import IPV6, family_of

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
HEADER = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS")
INCOMPATIBLE_VERSION, UNKNOWN_CONTAINER, INVALID_ENVIRONMENT, IO_FAILURE, DECODE_FAILURE, INVALID_CONFIG, TRY_AGAIN = 1, 3, 4, 5, 6, 7, 11
NO_ADDRESS, KERNEL_REFUSED = 100, 101


class CniError(Exception):
    """What a plug-in prints instead of a result. code: of the specification, or from 100 our own."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def to_dict(self, version: str) -> Object:
        shown: Object = {"cniVersion": version, "code": self.code, "msg": self.message}
        return shown | ({"details": self.details} if self.details else {})


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of the host that leads into the pod. host_address "": any address of the host."""

    protocol: str
    host_port: int
    container_port: int
    host_address: str = ""


@dataclass(frozen=True, slots=True)
class CniRequest:
    command: str
    container: str
    netns: str
    interface: str
    version: str
    ports: tuple[PortMapping, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)

    @property
    def pod(self) -> str:
        """`namespace/name`, when the runtime says so."""
        names = (self.arguments.get("K8S_POD_NAMESPACE", ""), self.arguments.get("K8S_POD_NAME", ""))
        return "/".join(names) if all(names) else ""

    @property
    def uid(self) -> str:
        """Of the pod, "" when the runtime does not say it."""
        return self.arguments.get("K8S_POD_UID", "")


def parse_request(data: bytes) -> CniRequest:
    """data: a line each for the values of HEADER, then the network configuration. Raises CniError."""
    parts = data.split(b"\n", len(HEADER))
    if len(parts) <= len(HEADER):
        raise CniError(INVALID_ENVIRONMENT, "the request ends before the network configuration")
    command, container, netns, interface, arguments = (part.decode(errors="replace") for part in parts[:-1])
    try:
        config = loads(parts[-1] or b"{}")
    except JSONError as error:
        raise CniError(DECODE_FAILURE, f"network configuration is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise CniError(DECODE_FAILURE, "network configuration is not a JSON object")
    version = config.get("cniVersion", VERSIONS[0])
    if command != "VERSION" and version not in VERSIONS:
        raise CniError(INCOMPATIBLE_VERSION, f"cniVersion {version} is not one of {', '.join(VERSIONS)}")
    request = CniRequest(command, container, netns, interface, str(version), _port_mappings(config), _arguments(arguments))
    _require(request)
    return request


def _require(request: CniRequest) -> None:
    needed = {"ADD": ("container", "netns", "interface"), "CHECK": ("container", "netns", "interface"), "DEL": ("container", "interface")}
    for name in needed.get(request.command, ()):
        value = getattr(request, name)
        if not value:
            raise CniError(INVALID_ENVIRONMENT, f"{request.command} without {name}")
    if len(request.interface) > 15 or "/" in request.interface or ":" in request.interface:
        raise CniError(INVALID_ENVIRONMENT, f"interface name {request.interface!r} is not valid")


def _arguments(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(";") if pair)
    return {name: value for name, _, value in pairs}


def _port_mappings(config: Object) -> tuple[PortMapping, ...]:
    mappings = (config.get("runtimeConfig") or {}).get("portMappings") or ()
    try:
        # containerd writes the keys with a capital letter, the specification without.
        spelled = [{key.lower(): value for key, value in mapping.items()} for mapping in mappings]
        return tuple(_port_mapping(mapping) for mapping in spelled if mapping.get("hostport"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CniError(INVALID_CONFIG, f"runtimeConfig.portMappings: {error}") from error


def _port_mapping(mapping: dict[str, Any]) -> PortMapping:
    protocol = str(mapping.get("protocol") or "tcp").lower()
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"protocol {protocol} of hostPort {mapping['hostport']} is not supported (tcp and udp are)")
    address = str(mapping.get("hostip") or "")
    if address in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        address = ""
    if address:
        address = str(ipaddress.ip_address(address))
    ports = int(mapping["hostport"]), int(mapping["containerport"])
    if not all(0 < port < 65536 for port in ports):
        raise ValueError(f"ports {ports[0]} and {ports[1]} are not both between 1 and 65535")
    return PortMapping(protocol, *ports, host_address=address)


def result(request: CniRequest, *, link: str, link_mac: str, mac: str, addresses: Sequence[str]) -> Object:
    """What ADD answers: the addresses in their order, each with its way out. Addresses carried a version before CNI 1.0."""
    ips = [_shown(address, request.version) for address in addresses]
    interfaces = [{"name": link, "mac": link_mac}, {"name": request.interface, "mac": mac, "sandbox": request.netns}]
    routes = [{"dst": "::/0" if family_of(address) is IPV6 else "0.0.0.0/0", "gw": family_of(address).next_hop} for address in addresses]
    return {"cniVersion": request.version, "interfaces": interfaces, "ips": ips, "routes": routes, "dns": {}}


def _shown(address: str, version: str) -> Object:
    family = family_of(address)
    shown: Object = {"address": f"{address}/{family.bits}", "gateway": family.next_hop, "interface": 1}
    return shown | ({"version": "6" if family is IPV6 else "4"} if version.startswith("0.") else {})


def versions(version: str) -> Object:
    return {"cniVersion": version, "supportedVersions": list(VERSIONS)}
