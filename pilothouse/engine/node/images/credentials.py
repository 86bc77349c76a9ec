"""What a pod's pull secrets say about an image's registry. Pure."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.engine.node.images.reference import DEFAULT_DOMAIN, domain_of
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, dumps, loads


@dataclass(frozen=True, slots=True)
class SecretOf:
    """Which Secret: one that is made again under its name is another."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Credential:
    """hash: of what is shown to the registry; nothing of that can be had from it but whether two are the same."""

    auth: api.AuthConfig = field(repr=False)
    secret: SecretOf
    hash: str


def credentials(image: str, secrets: Sequence[Object]) -> list[Credential]:
    """Those for an image's registry, in the order of the secrets."""
    domain = domain_of(image)
    wanted = {domain, f"https://{domain}", f"http://{domain}"}
    if domain == DEFAULT_DOMAIN:
        wanted |= {"https://index.docker.io/v1/", "index.docker.io"}
    found: list[Credential] = []
    for secret in secrets:
        source = SecretOf(meta.uid(secret), meta.namespace(secret), meta.name(secret))
        for server, entry in _auths(secret).items():
            if server in wanted or server.rstrip("/") in wanted or image.startswith(server.removeprefix("https://") + "/"):
                auth = _auth(entry)
                found.append(Credential(auth, source, _hash(auth)))
    return found


def _hash(auth: api.AuthConfig) -> str:
    return hashlib.sha256(dumps([auth.username, auth.password, auth.identity_token])).hexdigest()


def _auths(secret: Object) -> dict[str, Object]:
    """Server -> entry. What a user has written there is any JSON: what is no entry is left out."""
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            config = loads(base64.b64decode(data[".dockerconfigjson"]))
            found = config.get("auths") if isinstance(config, dict) else None
        else:
            found = loads(base64.b64decode(data.get(".dockercfg", "")))
    except (JSONError, ValueError):
        return {}
    return {server: entry for server, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _auth(entry: Object) -> api.AuthConfig:
    username, password, token = (_text(entry.get(name)) for name in ("username", "password", "identitytoken"))
    if not username:
        username, _, password = _decoded(_text(entry.get("auth"))).partition(":")
    return api.AuthConfig(username=username, password=password, identity_token=token)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _decoded(auth: str) -> str:
    try:
        return base64.b64decode(auth).decode(errors="replace")
    except ValueError:
        return ""
