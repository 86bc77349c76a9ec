"""Addresses in fields of objects: which are refused, and which are only unusual.

Source: apimachinery/pkg/util/validation/ip.go, pkg/apis/core/validation (ValidateEndpointIP).
"""

import ipaddress
import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause

_is_octet_wise = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}\.\d{1,4}").fullmatch


def ordinary(address: str, path: str) -> list[Cause]:
    """No unspecified, loopback or link-local address."""
    found = names.parse_ip(address)
    if found is None:
        return [field.invalid(path, address, "must be a valid IP address")]
    causes: list[Cause] = []
    if found.is_unspecified:
        causes.append(field.invalid(path, address, f"may not be unspecified ({address})"))
    if found.is_loopback:
        causes.append(field.invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if found.is_link_local:
        causes.append(field.invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if found.is_multicast and address.startswith(("224.0.0.", "ff02:")):
        causes.append(field.invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return causes


def validate_address(address: str, path: str) -> list[Cause]:
    """An address in a form that all programs read alike."""
    found = names.parse_ip(address)
    if found is None:
        detail = "must not have leading 0s" if _without_zeros(address) else ""
        return [field.invalid(path, address, detail)] if detail else field.each_invalid(path, address, names.ip(address))
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return [field.invalid(path, address, "must not be an IPv4-mapped IPv6 address")]
    return []


def validate_network(network: str, path: str) -> list[Cause]:
    """Address and prefix length, in a form that all programs read alike."""
    address, _, length = network.partition("/")
    plain = f"{_without_zeros(address) or address}/{length.lstrip('0') or length[:1]}"
    found = names.parse_cidr(network)
    if found is None:
        if plain != network and names.parse_cidr(plain) is not None:
            return [field.invalid(path, network, "must not have leading 0s in IP or prefix length")]
        return field.each_invalid(path, network, names.cidr(network))
    if isinstance(found, ipaddress.IPv6Interface) and found.ip.ipv4_mapped is not None:
        return [field.invalid(path, network, "must not have an IPv4-mapped IPv6 address")]
    is_network = found.ip == found.network.network_address
    return [] if is_network else [field.invalid(path, network, "must not have bits set beyond the prefix length")]


def _without_zeros(address: str) -> str:
    """The address that was meant by one with octets such as 010; "" when it is none."""
    if not _is_octet_wise(address):
        return ""
    plain = ".".join(str(int(octet)) for octet in address.split("."))
    return plain if names.parse_ip(plain) else ""


def address_warnings(address: str, path: str) -> list[str]:
    """Of an address that is valid, or need not be."""
    found = names.parse_ip(address)
    meant = _without_zeros(address) if found is None else ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        meant = str(found.ipv4_mapped)
    if meant:
        why = "will be considered invalid in a future Kubernetes release"
        return [f'{path}: non-standard IP address "{address}" {why}: use "{meant}"']
    if isinstance(found, ipaddress.IPv6Address) and str(found) != address:
        return [f'{path}: IPv6 address "{address}" should be in RFC 5952 canonical format ("{found}")']
    return []


def network_warnings(network: str, path: str) -> list[str]:
    found = names.parse_cidr(network)
    if found is None:
        return []
    if found.ip != found.network.network_address:
        single = f"{found.ip}/{found.ip.max_prefixlen}"
        return [f'{path}: CIDR value "{network}" is ambiguous in this context (should be "{found.network}" or "{single}"?)']
    if found.version == 6 and str(found.network) != network:
        return [f'{path}: IPv6 CIDR value "{network}" should be in RFC 5952 canonical format ("{found.network}")']
    return []
