"""The GET request of an `httpGet` action: its address, its path as it is sent, its headers.

Source: kubernetes pkg/probe/http/request.go, and the encoding of paths of Go's net/url.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from pilothouse.engine.node.check.failure import CheckErrored, CheckFailed
from pilothouse.model.json import Object

PROBE_AGENT, HOOK_AGENT = "kube-probe/1.36", "kube-lifecycle/1.36"
Headers = tuple[tuple[str, str], ...]
_NOT_SENT = frozenset(["Connection", "Content-Length", "Host", "Trailer", "Transfer-Encoding"])
"""Headers that the request itself decides: asked for, they would make it mean something else."""
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?]*")
_ENCODED = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]|%[0-9A-Fa-f]{2})*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PATH_SAFE = "/$&+,:;=@-_.~"
_QUERY_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>#')


@dataclass(frozen=True, slots=True)
class Request:
    """host: name or address without brackets. target: path and query as they are sent. own_host: the Host header asked for."""

    scheme: str
    host: str
    port: int
    target: str
    headers: Headers
    own_host: str = ""

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def encoded(self) -> bytes:
        lines = [f"GET {self.target} HTTP/1.1", f"Host: {self.own_host or self.authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()

    def redirected(self, location: str) -> "Request":
        """The request that a Location header asks for. Raises CheckFailed for one that cannot be read."""
        try:
            parts = urlsplit(urljoin(self.url, location))
            port = parts.port
        except ValueError as error:
            raise CheckFailed(f'Get "{self.url}": failed to parse Location header {location[:200]!r}: {error}') from error
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        if scheme not in ("http", "https"):
            raise CheckFailed(f'Get "{location[:200]}": unsupported protocol scheme {scheme!r}')
        target = request_target(parts.path + (f"?{parts.query}" if parts.query else ""))
        # A Host of one's own goes along as long as the redirect names no other.
        own_host = self.own_host if not _AUTHORITY.match(location) else ""
        return Request(scheme, host, port or (443 if scheme == "https" else 80), target, self.headers, own_host)

    def in_the_clear(self) -> "Request":
        """The same over HTTP; credentials that were meant for an encrypted connection stay behind."""
        return replace(self, scheme="http", headers=tuple(each for each in self.headers if each[0] != "Authorization"))


def request_of(action: Object, container: Object, ip: str, agent: str) -> Request:
    """action: an `httpGet`. Raises CheckFailed for what cannot be sent."""
    scheme, host = (action.get("scheme") or "HTTP").lower(), with_address(action.get("host") or ip)
    given = [(_canonical(each["name"]), each.get("value") or "") for each in action.get("httpHeaders") or ()]
    port = port_number(container, action["port"])
    own_host = next((_checked("Host", value) for name, value in given if name == "Host"), "")
    return Request(scheme, host, port, request_target(action.get("path") or ""), _headers(given, agent), own_host)


def _headers(given: Sequence[tuple[str, str]], agent: str) -> Headers:
    """Several of one name are all sent; an empty Accept or User-Agent takes the default away."""
    agents = [value for name, value in given if name == "User-Agent"] or [agent]
    accepted = [value for name, value in given if name == "Accept"] or ["*/*"]
    result = [("User-Agent", agents[0])] if agents[0] else []
    result += [(name, value) for name, value in given if name not in _NOT_SENT | {"User-Agent", "Accept"}]
    if accepted[0]:
        result += [("Accept", value) for value in accepted]
    return tuple((name, _checked(name, value)) for name, value in result)


def _canonical(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise CheckErrored(f"net/http: invalid header field name {name!r}")
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def _checked(name: str, value: str) -> str:
    if _NO_VALUE.search(value):
        raise CheckErrored(f"net/http: invalid header field value for {name!r}")
    return value


def request_target(path: str) -> str:
    """A path as users write it, query included, in the form in which it is sent: escaped where it has to be, never twice."""
    path = _AUTHORITY.sub("", path, count=1) if _AUTHORITY.match(path) else path
    path, _, _ = path.partition("#")
    path, mark, query = path.partition("?")
    path = path if path.startswith("/") else "/" + path
    return _escaped_path(path) + mark + quote(query, safe=_QUERY_SAFE)


def _escaped_path(path: str) -> str:
    if _ENCODED.fullmatch(path):
        return path
    plain = path.encode() if _BAD_ESCAPE.search(path) else unquote_to_bytes(path)
    return quote(plain, safe=_PATH_SAFE)


def with_address(host: str) -> str:
    """Raises CheckErrored for a pod without an address: an empty host would be the node itself."""
    if not host:
        raise CheckErrored("the pod has no address yet")
    return host


def port_number(container: Object, port: int | str) -> int:
    """A port by number, or by its name among the container's ports. Raises CheckErrored."""
    if isinstance(port, int):
        return port
    ports: Iterable[Object] = container.get("ports") or ()
    for each in ports:
        if each.get("name") == port:
            return int(each["containerPort"])
    if port.isdecimal() and port.isascii():
        return int(port)
    raise CheckErrored(f'couldn\'t find port: {port} in container "{container["name"]}"')
