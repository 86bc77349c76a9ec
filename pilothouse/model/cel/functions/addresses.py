"""IP addresses and networks. Source: apiserver/pkg/cel/library/{ip,cidr}.go: no zones, no IPv4 in IPv6, no leading zeros."""

import ipaddress
from typing import Any

from pilothouse.model.cel.functions.declare import T, function, method, succeeds
from pilothouse.model.cel.messages import CIDR, IP, make, type_of

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_IP, _CIDR = type_of(IP), type_of(CIDR)


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


def _ip(text: str) -> Any:
    return make(IP, text=str(_parsed(text)))


def _cidr(text: str) -> Any:
    return make(CIDR, text=str(_network(text)))


def _address_of(value: Any) -> _Address:
    """value: an address, or its text."""
    return _parsed(value if isinstance(value, str) else value.text)


def _network_of(value: Any) -> _Network:
    return _network(value if isinstance(value, str) else value.text)


def _contains_address(network: Any, address: Any) -> bool:
    outer, inner = _network_of(network).network, _address_of(address)
    return outer.version == inner.version and inner in outer


def _contains_network(network: Any, other: Any) -> bool:
    outer, inner = _network_of(network).network, _network_of(other).network
    return outer.version == inner.version and outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _text(value: Any) -> str:
    text: str = value.text
    return text


ADDRESSES = (
    function("ip", (_IP, (T.STRING,), _ip)),
    function("isIP", (T.BOOL, (T.STRING,), succeeds(_parsed))),
    function("ip.isCanonical", (T.BOOL, (T.STRING,), lambda text: str(_parsed(text)) == text)),
    method("family", (T.INT, (_IP,), lambda value: _address_of(value).version)),
    method("isUnspecified", (T.BOOL, (_IP,), lambda value: _address_of(value).is_unspecified)),
    method("isLoopback", (T.BOOL, (_IP,), lambda value: _address_of(value).is_loopback)),
    method("isLinkLocalMulticast", (T.BOOL, (_IP,), lambda value: _is_link_local_multicast(_address_of(value)))),
    method("isLinkLocalUnicast", (T.BOOL, (_IP,), lambda value: _address_of(value).is_link_local)),
    method("isGlobalUnicast", (T.BOOL, (_IP,), lambda value: _is_global_unicast(_address_of(value)))),
    function("string", (T.STRING, (_IP,), _text), (T.STRING, (_CIDR,), _text)),
    function("cidr", (_CIDR, (T.STRING,), _cidr)),
    function("isCIDR", (T.BOOL, (T.STRING,), succeeds(_network))),
    method("containsIP", (T.BOOL, (_CIDR, T.STRING), _contains_address), (T.BOOL, (_CIDR, _IP), _contains_address)),
    method("containsCIDR", (T.BOOL, (_CIDR, T.STRING), _contains_network), (T.BOOL, (_CIDR, _CIDR), _contains_network)),
    method("ip", (_IP, (_CIDR,), lambda value: make(IP, text=str(_network_of(value).ip)))),
    method("masked", (_CIDR, (_CIDR,), lambda value: make(CIDR, text=str(_network_of(value).network)))),
    method("prefixLength", (T.INT, (_CIDR,), lambda value: _network_of(value).network.prefixlen)),
)


def _is_link_local_multicast(address: _Address) -> bool:
    return address in ipaddress.ip_network("224.0.0.0/24" if address.version == 4 else "ff02::/16")


def _is_global_unicast(address: _Address) -> bool:
    """As Go has it: private addresses are global unicast, too."""
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"
