"""What is asked of a node: a packet to look for, and perhaps to send. Everything is checked for shape before it reaches the kernel."""

import ipaddress
from dataclasses import dataclass

from pilothouse.model.errors import BadRequest
from pilothouse.model.json import Object
from pilothouse.network.trace.messages import PROTOCOL_NUMBERS

LONGEST_S = 10.0
MOST_SOURCES = 32


@dataclass(frozen=True, slots=True)
class Sending:
    """From which pod the packet goes where."""

    namespace: str
    pod: str
    uid: str
    destination: str
    port: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The packet that comes from one of the sources and from the port. seconds: how long it is waited for."""

    protocol: str
    source_port: int
    sources: tuple[str, ...]
    seconds: float
    sending: Sending | None = None


def wanted(body: Object) -> Wanted:
    """Raises BadRequest."""
    try:
        protocol = body["protocol"]
        if protocol not in PROTOCOL_NUMBERS:
            raise BadRequest(f"protocol is one of {', '.join(PROTOCOL_NUMBERS)}")
        sources = tuple(str(ipaddress.ip_address(each)) for each in body["sources"])
        seconds = float(body.get("seconds", 3))
        if not 1 <= len(sources) <= MOST_SOURCES or not 0 < seconds <= LONGEST_S:
            raise BadRequest(f"there are up to {MOST_SOURCES} sources, and up to {LONGEST_S:g} seconds")
        sending = body.get("send")
        return Wanted(protocol, _port(body["sourcePort"]), sources, seconds, None if sending is None else _sending(sending))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"what is to be traced cannot be read: {error!r:.200}") from error


def _sending(body: Object) -> Sending:
    destination = str(ipaddress.ip_address(body["destination"]))
    return Sending(str(body["namespace"]), str(body["pod"]), str(body["uid"]), destination, _port(body["port"]))


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ValueError(f"{value!r:.40} is no port")
    return value
