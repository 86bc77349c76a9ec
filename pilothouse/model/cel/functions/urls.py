"""URLs. Source: apiserver/pkg/cel/library/urls.go: absolute URLs and absolute paths are URLs, nothing else."""

from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from pilothouse.model.cel.functions.declare import T, function, method


def _parsed(text: str) -> SplitResult:
    """Raises ValueError."""
    found = urlsplit(text)
    if any(character.isspace() or not character.isprintable() for character in text) or not (found.scheme or text.startswith("/")):
        raise ValueError(f"URL parse error during conversion from string: {text!r} is no absolute URL")
    _ = found.port
    return found


def _url(text: str) -> str:
    _parsed(text)
    return text


def _is_url(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def _host(text: str) -> str:
    return _parsed(text).netloc.rpartition("@")[2]


def _hostname(text: str) -> str:
    return _host(text).rpartition("]")[0].lstrip("[") if "]" in _host(text) else _host(text).partition(":")[0]


def _port(text: str) -> str:
    port = _parsed(text).port
    return "" if port is None else str(port)


def _path(text: str) -> str:
    return quote(_parsed(text).path, safe="/%!$&'()*+,;=:@~-._")


def _query(text: str) -> dict[str, list[str]]:
    return parse_qs(_parsed(text).query, keep_blank_values=True)


URLS = (
    function("url", (T.STRING, (T.STRING,), _url)),
    function("isURL", (T.BOOL, (T.STRING,), _is_url)),
    method("getScheme", (T.STRING, (T.STRING,), lambda text: _parsed(text).scheme)),
    method("getHost", (T.STRING, (T.STRING,), _host)),
    method("getHostname", (T.STRING, (T.STRING,), _hostname)),
    method("getPort", (T.STRING, (T.STRING,), _port)),
    method("getEscapedPath", (T.STRING, (T.STRING,), _path)),
    method("getQuery", (T.Map(T.STRING, T.List(T.STRING)), (T.STRING,), _query)),
)
