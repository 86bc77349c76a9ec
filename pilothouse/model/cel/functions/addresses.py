"""IP addresses and networks. Source: apiserver/pkg/cel/library/{ip,cidr}.go: no zones, no IPv4 in IPv6, no leading zeros."""

import ipaddress
from typing import Any

from pilothouse.model.cel.functions.declare import T, function, method

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _parsed(text: str) -> _Address:
    """Raises ValueError."""
    found = ipaddress.ip_address(text)
    if "%" in text or (isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped is not None or "." in text)):
        raise ValueError(f"IP Address {text!r} is of a form that is not allowed")
    return found


def _network(text: str) -> _Network:
    """Raises ValueError."""
    address, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or (length != "0" and length.startswith("0")):
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    _parsed(address)
    return ipaddress.ip_interface(text)


def _is(parse: Any) -> Any:
    def carried_out(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return carried_out


def _contains(network: str, other: str) -> bool:
    outer, inner = _network(network).network, (_network(other).network if "/" in other else ipaddress.ip_network(_parsed(other)))
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _masked(text: str) -> str:
    return str(_network(text).network)


ADDRESSES = (
    function("ip", (T.STRING, (T.STRING,), lambda text: str(_parsed(text)))),
    function("isIP", (T.BOOL, (T.STRING,), _is(_parsed))),
    function("ip.isCanonical", (T.BOOL, (T.STRING,), lambda text: str(_parsed(text)) == text)),
    method("family", (T.INT, (T.STRING,), lambda text: _parsed(text).version)),
    method("isUnspecified", (T.BOOL, (T.STRING,), lambda text: _parsed(text).is_unspecified)),
    method("isLoopback", (T.BOOL, (T.STRING,), lambda text: _parsed(text).is_loopback)),
    method("isLinkLocalMulticast", (T.BOOL, (T.STRING,), lambda text: _is_link_local_multicast(_parsed(text)))),
    method("isLinkLocalUnicast", (T.BOOL, (T.STRING,), lambda text: _parsed(text).is_link_local)),
    method("isGlobalUnicast", (T.BOOL, (T.STRING,), lambda text: _is_global_unicast(_parsed(text)))),
    function("cidr", (T.STRING, (T.STRING,), lambda text: str(_network(text)))),
    function("isCIDR", (T.BOOL, (T.STRING,), _is(_network))),
    method("containsIP", (T.BOOL, (T.STRING, T.STRING), _contains)),
    method("containsCIDR", (T.BOOL, (T.STRING, T.STRING), _contains)),
    method("ip", (T.STRING, (T.STRING,), lambda text: str(_network(text).ip))),
    method("masked", (T.STRING, (T.STRING,), _masked)),
    method("prefixLength", (T.INT, (T.STRING,), lambda text: _network(text).network.prefixlen)),
)


def _is_link_local_multicast(address: _Address) -> bool:
    return address in ipaddress.ip_network("224.0.0.0/24" if address.version == 4 else "ff02::/16")


def _is_global_unicast(address: _Address) -> bool:
    """As Go has it: private addresses are global unicast, too."""
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"
