"""Questions to a running Envoy over its admin socket."""

import asyncio
import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from pilothouse.model.errors import Unavailable


@dataclass(frozen=True, slots=True)
class HostState:
    """An endpoint as Envoy has it: whether it gets new requests, and how many it is working on."""

    is_draining: bool
    active_requests: int


Hosts = dict[str, dict[tuple[str, int], HostState]]
"""cluster -> (address, port) -> state."""


class Admin:
    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def get(self, path: str, *, timeout_s: float = 5.0) -> bytes:
        """The body of a 200 answer; raises Unavailable otherwise."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=1 << 24)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                    body = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"the gateway's Envoy does not answer on {self.socket}: {error}") from error
        if not head.startswith(b"HTTP/1.1 200"):
            line = head.partition(b"\r\n")[0].decode(errors="replace")
            raise Unavailable(f"the gateway's Envoy answered {line!r} to {path}")
        return unchunked(body) if b"transfer-encoding: chunked" in head.lower() else body

    async def is_ready(self) -> bool:
        try:
            await self.get("/ready")
        except Unavailable:
            return False
        return True

    async def hosts(self) -> Hosts:
        return parse_hosts(json.loads(await self.get("/clusters?format=json")))

    async def listening(self) -> set[tuple[str, int]]:
        """The addresses and ports that it serves."""
        return parse_listeners(json.loads(await self.get("/listeners?format=json")))


def unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    while body:
        size_text, _, rest = body.partition(b"\r\n")
        size = int(size_text, 16)
        if size == 0:
            break
        parts.append(rest[:size])
        body = rest[size + 2 :]
    return b"".join(parts)


def parse_hosts(answer: dict[str, list[dict[str, object]]]) -> Hosts:
    """Envoy's `/clusters?format=json`."""
    return {str(status["name"]): dict(map(_host, status.get("host_statuses", []))) for status in answer.get("cluster_statuses", [])}  # type: ignore[call-overload]


def parse_listeners(answer: dict[str, list[dict[str, object]]]) -> set[tuple[str, int]]:
    """Envoy's `/listeners?format=json`: of one that cannot bind nothing is shown."""
    found = set()
    for status in answer.get("listener_statuses", []):
        for address in (status["local_address"], *status.get("additional_local_addresses", ())):  # type: ignore[misc]
            place = address["socket_address"]
            found.add((_canonical(place["address"]), int(place["port_value"])))
    return found


def _host(host: dict[str, object]) -> tuple[tuple[str, int], HostState]:
    place = host["address"]["socket_address"]  # type: ignore[index]
    stats = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", [])}  # type: ignore[attr-defined]
    health = host.get("health_status", {}).get("eds_health_status")  # type: ignore[attr-defined]
    return (_canonical(place["address"]), place["port_value"]), HostState(health == "DRAINING", stats.get("rq_active", 0))


def _canonical(address: str) -> str:
    """An IPv6 address has several spellings; Envoy's is not always Python's."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address
