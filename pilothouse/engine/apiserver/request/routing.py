"""What a request asks for, read off its path: the facts that authorization and dispatch share.

Source: apiserver/pkg/endpoints/request/requestinfo.go. The path alone decides; whether the resource exists is the
catalog's matter, so that a user without rights cannot tell the two apart.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from pilothouse.model.caching import remembered

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_PROXY = "proxy"
_BEGINNINGS = ("watch", _PROXY)
_ENCODED = "/%:@!$&'()*+,;=~"
"""What a path may hold as it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path. deprecated_watch: the /watch/ prefix was used. incomplete: it ends with a word that only begins a path.

    rest: what is asked of whoever is behind a proxy, percent-encoded as it came, from its slash on; "" without one, and without a proxy.
    """

    path: str
    is_resource: bool = False
    prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    deprecated_watch: bool = False
    in_namespace: bool = False
    too_deep: bool = False
    rest: str = ""
    incomplete: bool = False


def verb_of(method: str, target: Target) -> str:
    """The verb of RBAC for a resource request without its query; `watch` is the query's matter."""
    if not target.is_resource:
        return method.lower()
    verb = _VERBS.get(method, "")
    if target.name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)


@remembered(1024)
def parse(path: str) -> Target:
    """path: as it came, percent-encoded, without the query."""
    decoded = unquote(path)
    if decoded.startswith("//"):
        return Target(decoded)
    parts = decoded.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        return _resource(decoded, path, "api", "", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) >= 4:
        return _resource(decoded, path, "apis", parts[1], parts[2], parts[3:])
    return Target(decoded)


def version_of(path: str) -> tuple[str, str] | None:
    """Group and version of a path that is no resource's but speaks of a version: its discovery document, or its OpenAPI document."""
    parts = path.removeprefix("/openapi/v3").strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 2:
        return "", parts[1]
    return (parts[1], parts[2]) if parts[0] == "apis" and len(parts) >= 3 else None


def _resource(path: str, encoded: str, prefix: str, group: str, version: str, parts: list[str]) -> Target:
    if parts[0] in _BEGINNINGS and len(parts) == 1:
        return Target(path, incomplete=True)
    watch = parts[0] == "watch"
    if watch:
        parts = parts[1:]
    namespace, in_namespace = "", False
    if parts[0] == "namespaces":
        if len(parts) > 1:
            namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts, in_namespace = parts[2:], True
    name, subresource = (*parts[1:3], "", "")[:2]
    is_proxy = subresource == _PROXY
    return Target(
        path,
        True,
        prefix,
        group,
        version,
        namespace,
        parts[0],
        name,
        subresource,
        watch,
        in_namespace,
        too_deep=len(parts) > 3 and not is_proxy,
        rest=_behind(path, encoded, parts[3:]) if is_proxy else "",
    )


def _behind(path: str, encoded: str, parts: list[str]) -> str:
    """The rest of a proxy's path. What is encoded in it stays so, as `%2F` means another thing than a slash to many programs."""
    before = len(path.strip("/").split("/")) - len(parts)
    pieces = encoded.lstrip("/").split("/", before)
    if any("/" in unquote(word) for word in pieces[:before]):
        # A slash that leads here was encoded itself, so the rest cannot be found in what came.
        return quote("/" + "/".join(parts) + ("/" if parts and path.endswith("/") else ""))
    return "" if len(pieces) == before else quote("/" + pieces[before], safe=_ENCODED, encoding="latin-1", errors="replace")
