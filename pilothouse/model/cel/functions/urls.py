"""URLs. Source: apiserver/pkg/cel/library/urls.go: absolute URLs and absolute paths are URLs, nothing else."""

from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from pilothouse.model.cel.functions.declare import T, function, method, succeeds
from pilothouse.model.cel.messages import URL, make, type_of

_URL = type_of(URL)


def _parsed(text: str) -> SplitResult:
    """Raises ValueError."""
    found = urlsplit(text)
    if any(character.isspace() or not character.isprintable() for character in text) or not (found.scheme or text.startswith("/")):
        raise ValueError(f"URL parse error during conversion from string: {text!r} is no absolute URL")
    _ = found.port
    return found


def _url(text: str) -> Any:
    _parsed(text)
    return make(URL, text=text)


def _of(value: Any) -> SplitResult:
    return _parsed(value.text)


def _host(value: Any) -> str:
    return _of(value).netloc.rpartition("@")[2]


def _hostname(value: Any) -> str:
    host = _host(value)
    return host.rpartition("]")[0].lstrip("[") if "]" in host else host.partition(":")[0]


def _port(value: Any) -> str:
    port = _of(value).port
    return "" if port is None else str(port)


def _path(value: Any) -> str:
    return quote(_of(value).path, safe="/%!$&'()*+,;=:@~-._")


def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(_of(value).query, keep_blank_values=True)


def is_request_uri(text: str) -> bool:
    """Whether it is an absolute URL or an absolute path."""
    return succeeds(_parsed)(text)


URLS = (
    function("url", (_URL, (T.STRING,), _url)),
    function("isURL", (T.BOOL, (T.STRING,), succeeds(_parsed))),
    method("getScheme", (T.STRING, (_URL,), lambda value: _of(value).scheme)),
    method("getHost", (T.STRING, (_URL,), _host)),
    method("getHostname", (T.STRING, (_URL,), _hostname)),
    method("getPort", (T.STRING, (_URL,), _port)),
    method("getEscapedPath", (T.STRING, (_URL,), _path)),
    method("getQuery", (T.Map(T.STRING, T.List(T.STRING)), (_URL,), _query)),
)
