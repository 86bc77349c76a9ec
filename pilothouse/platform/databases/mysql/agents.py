"""The client of the agents: their state, and orders for them, over TLS with certificates on both sides.

A member is known by the name in its certificate and reached at its pod's address: names of pods are slow to change in DNS, and
mistaken for a while after a pod was made anew. aiohttp is imported when the first member is asked.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, loads
from pilothouse.platform.databases.mysql import names, tls
from pilothouse.platform.databases.mysql.state import MalformedState, checked
from pilothouse.wire.tls import client_context

if TYPE_CHECKING:
    import aiohttp

CONNECT_S = 1.0
ORDER_S = 2.0
SLACK_S, REST_SLACK_S = 1.0, 10.0
"""How much longer than the time an agent may take for an answer that answer is waited for: of one that is asked all the time, and of one
that waits for long, where nothing is urgent and a busy machine may be late."""
MOST_BYTES = 8 << 20
"""Of an answer: a state names each account and database of the server, of which an order has 1 MiB at most."""
CONFLICT = 409
NEW_EACH_S = 0.003
"""Between two members that are asked for the first time, or after a failure: a handshake takes the loop half as long."""
PROBED_AFTER_S = 1
"""A connection on which nothing comes is probed by the kernel, and has died when that is not answered for as long again. A request on it
is made once more on a new one (aiohttp), so that a packet that was lost does no harm."""


class AgentError(Exception):
    """An agent that cannot be reached, or does not do what it was asked: one sentence."""


class Lost(AgentError):
    """Nothing answers at its address: one that had rested has been silent for as long as others by now, see PROBED_AFTER_S."""


class Superseded(AgentError):
    """It has obeyed an order of a higher term than ours."""

    def __init__(self, member: str, term: int) -> None:
        super().__init__(f"{member} has obeyed term {term}, which is higher")
        self.term = term


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member's agent is. address: of its pod. name: that its certificate must have."""

    member: str
    address: str
    name: str
    port: int = names.AGENT_PORT

    @classmethod
    def of(cls, pod: Object) -> "Place | None":
        """None for a pod without an address, or that has ended."""
        status = pod.get("status") or {}
        if not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
            return None
        return cls(meta.name(pod), status["podIP"], names.member_host(meta.name(pod), meta.namespace(pod)))

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}"


def context(root: Mapping[str, bytes], now: float) -> ssl.SSLContext:
    """By which an operator shows itself to the members of one instance. root: its authority, see `tls.new_root`."""
    own = tls.of_operator(root, now)
    return client_context(root["ca.crt"], own.certificate, own.key)


class Agents:
    """One for all instances: what differs is the context, which each call is given."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._free_at = 0.0

    async def turn(self) -> None:
        """Until another connection may be made, of many that are wanted at once."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._free_at)
        self._free_at = at + NEW_EACH_S
        await asyncio.sleep(at - now)

    async def state(self, place: Place, tls_context: ssl.SSLContext, after: int, wait_s: int) -> Object:
        """The state, at once when it is newer than `after`, else when it changes or `wait_s` is over. Raises AgentError."""
        query = {"after": str(after), "wait": str(wait_s)}
        deadline_s = wait_s + (REST_SLACK_S if wait_s > REST_SLACK_S else SLACK_S)
        return _checked(place, await self._ask(place, tls_context, "GET", "/v1/state", deadline_s, params=query))

    async def order(self, place: Place, tls_context: ssl.SSLContext, document: bytes) -> Object:
        """The state after it was taken on. Raises Superseded, AgentError."""
        return _checked(place, await self._ask(place, tls_context, "PUT", "/v1/wanted", ORDER_S, data=document))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, place: Place, tls_context: ssl.SSLContext, method: str, path: str, deadline_s: float, **given: Any) -> Object:
        import aiohttp

        self._session = self._session or _new_session()
        try:
            async with (
                asyncio.timeout(deadline_s),
                self._session.request(method, place.url + path, ssl=tls_context, server_hostname=place.name, **given) as answer,
            ):
                return _understood(place, answer.status, await _whole(place, answer.content))
        except aiohttp.ConnectionTimeoutError as error:
            raise Lost(f"the agent of {place.member} is not reached: nothing answers at its address within {CONNECT_S:g} s") from error
        except TimeoutError as error:
            raise AgentError(f"the agent of {place.member} does not answer within {deadline_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AgentError(f"the agent of {place.member} is not reached: {error}") from error


async def _whole(place: Place, content: "aiohttp.StreamReader") -> bytes:
    """It comes in parts, as the network brings them."""
    found = bytearray()
    async for part in content.iter_any():
        found += part
        if len(found) > MOST_BYTES:
            raise AgentError(f"the agent of {place.member} answers with more than {MOST_BYTES >> 20} MiB")
    return bytes(found)


def _understood(place: Place, status: int, body: bytes) -> Object:
    try:
        found = loads(body)
    except JSONError:
        found = None
    if status == CONFLICT and isinstance(found, dict) and isinstance(found.get("term"), int):
        raise Superseded(place.member, found["term"])
    if status >= 400 or not isinstance(found, dict):
        said = body[:200].decode(errors="replace")
        raise AgentError(f"the agent of {place.member} answers with {status}: {said}")
    if any(not isinstance(found.get(key, 0), int) for key in ("sequence", "term")):
        raise AgentError(f"the agent of {place.member} answers with a state whose sequence or term is no number")
    return found


def _checked(place: Place, state: Object) -> Object:
    try:
        return checked(state, place.member)
    except MalformedState as error:
        raise AgentError(f"the agent of {place.member} says what cannot be: {error}") from error


def _probed(address: "aiohttp.AddrInfoType") -> socket.socket:
    """Agents may have nothing to say for long, and a peer that has gone without a word must be known all the same."""
    found = socket.socket(*address[:3])
    found.setblocking(False)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_AFTER_S)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_AFTER_S)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * PROBED_AFTER_S * 1000)
    return found


def _new_session() -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, socket_factory=_probed),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        trust_env=False,
    )
