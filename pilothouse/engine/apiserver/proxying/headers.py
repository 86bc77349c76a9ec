"""Which headers of a request go on to whoever is behind a proxy, and which of its answer come back. Pure.

A client's credentials stay with the API server, and so does what says in whose name it asks. What belongs to one connection alone goes no
further. Source: net/http/httputil's ReverseProxy; apiserver's authentication and impersonation filters; apimachinery/pkg/util/proxy.
"""

from collections.abc import Iterable, Iterator

Pair = tuple[str, str]
_OF_A_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OF_THE_CLIENT = frozenset({"authorization", "x-remote-user", "x-remote-uid", "x-remote-group"})
_OF_THE_CLIENT_BEGIN = ("impersonate-", "x-remote-extra-")
_OURS = frozenset({"accept-encoding", "content-length", "expect", "host", "x-forwarded-for", "x-forwarded-uri"})
"""Said anew. An answer that is not compressed can have its links rewritten; the whole body has come, so nobody has to be asked for it."""
_NOT_RETURNED = frozenset(
    {
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "content-length",
        "date",
    }
)
"""Whom an answer may be shown to by a browser is this server's to say; the others it says of its own answer."""
_PROTOCOLS = "sec-websocket-protocol"
_BEARER = "base64url.bearer.authorization.k8s.io."


def is_upgrade(pairs: Iterable[Pair]) -> bool:
    return "upgrade" in _named_by_connection(list(pairs))


def sent(pairs: Iterable[Pair], *, client: str, uri: str) -> list[Pair]:
    """pairs: names in lower case. client: its address, "" where there is none. uri: the path that it has asked this server for."""
    given = list(pairs)
    named = _named_by_connection(given)
    found = [(name, value) for name, value in _of_message(given, named) if not _is_kept_back(name)]
    before = [value for name, value in given if name == "x-forwarded-for"]
    addresses = [*before, *([client] if client else [])]
    if addresses:
        found.append(("x-forwarded-for", ", ".join(addresses)))
    found += [("x-forwarded-uri", uri), ("accept-encoding", "identity")]
    wanted = ", ".join(value for name, value in given if name == "upgrade")
    upgrades = "upgrade" in named and bool(wanted)
    return [*found, ("connection", "Upgrade"), ("upgrade", wanted)] if upgrades else [*found, ("connection", "close")]


def returned(pairs: Iterable[Pair]) -> list[Pair]:
    """pairs: names in lower case."""
    given = list(pairs)
    return [(name, value) for name, value in _of_message(given, _named_by_connection(given)) if name not in _NOT_RETURNED]


def _is_kept_back(name: str) -> bool:
    # Many programs take both for one (RFC 3875, 4.1.18), so that `X_Remote_User` would be `X-Remote-User` to them.
    name = name.replace("_", "-")
    return name in _OURS or name in _OF_THE_CLIENT or name.startswith(_OF_THE_CLIENT_BEGIN)


def _of_message(pairs: Iterable[Pair], named: frozenset[str]) -> Iterator[Pair]:
    for name, value in pairs:
        if name in _OF_A_CONNECTION or name in named:
            continue
        if name == _PROTOCOLS and _BEARER in value:
            # A browser cannot send an Authorization header with a WebSocket and names its token as a protocol.
            value = ", ".join(each.strip() for each in value.split(",") if not each.strip().startswith(_BEARER))
            if not value:
                continue
        yield name, value


def _named_by_connection(pairs: list[Pair]) -> frozenset[str]:
    return frozenset(token.strip().lower() for name, value in pairs if name == "connection" for token in value.split(","))
