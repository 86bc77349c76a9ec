"""Bootstrap tokens, `id.secret`: Secrets in kube-system by which a node signs in before it has a certificate. Pure.

Source: kubernetes staging/src/k8s.io/cluster-bootstrap/token, plugin/pkg/auth/authenticator/token/bootstrap.
"""

import hmac
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object, dumps

SECRET_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 -- a type of Secret
NAMESPACE = "kube-system"
NAME_PREFIX = "bootstrap-token-"
GROUP = "system:bootstrappers"
USER_PREFIX = "system:bootstrap:"
NODE_GROUP = "system:bootstrappers:pilothouse:node"
"""Of tokens for nodes: who is in it may ask for a node's first certificate, and gets it at once."""
NODE_CONFIG = "pilothouse-node-config"
"""The ConfigMap in `NAMESPACE` with what a machine must know of the cluster to become a node of it."""
AUTHENTICATION, SIGNING = "authentication", "signing"
USAGES = (AUTHENTICATION, SIGNING)

_ID, _SECRET = re.compile(r"[a-z0-9]{6}"), re.compile(r"[a-z0-9]{16}")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BadToken(ValueError):
    """The message names the field and what is wrong with it; it never holds the secret."""


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """expires_at: seconds of the epoch, None for never. groups: beside `GROUP`. usages: of USAGES."""

    id: str
    secret: str
    expires_at: float | None = None
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = USAGES
    description: str = ""

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def name(self) -> str:
        """Of its Secret."""
        return NAME_PREFIX + self.id

    def __str__(self) -> str:
        return f"{self.id}.{self.secret}"


def parse(text: str) -> tuple[str, str] | None:
    """(id, secret) of a text that has a token's shape."""
    own, dot, secret = text.partition(".")
    return (own, secret) if dot and _ID.fullmatch(own) and _SECRET.fullmatch(secret) else None


def read(secret: Object) -> BootstrapToken:
    """The token in a Secret of that type. Raises BadToken."""
    data = {key: _text(key, value) for key, value in (secret.get("data") or {}).items()}
    own, key = data.get("token-id", ""), data.get("token-secret", "")
    if not _ID.fullmatch(own):
        raise BadToken("data[token-id] must be 6 characters of a-z and 0-9")
    if not _SECRET.fullmatch(key):
        raise BadToken("data[token-secret] must be 16 characters of a-z and 0-9")
    if meta.name(secret) != NAME_PREFIX + own:
        raise BadToken(f'metadata.name must be "{NAME_PREFIX}{own}", after data[token-id]')
    usages = tuple(usage for usage in USAGES if data.get(f"usage-bootstrap-{usage}") == "true")
    expires_at, groups = _expiration(data.get("expiration", "")), _groups(data.get("auth-extra-groups", ""))
    return BootstrapToken(own, key, expires_at, groups, usages, data.get("description", ""))


def _text(key: str, value: str | None) -> str:
    try:
        return b64decode(value or "").decode()
    except (Base64Error, UnicodeDecodeError) as error:
        raise BadToken(f"data[{key}] is no text") from error


def _expiration(text: str) -> float | None:
    try:
        return meta.parse_rfc3339(text) if text else None
    except ValueError as error:
        raise BadToken("data[expiration] must be a time such as 2030-01-02T15:04:05Z") from error


def _groups(text: str) -> tuple[str, ...]:
    groups = sorted({group.strip() for group in text.split(",")} if text else ())
    if any(not _EXTRA_GROUP.fullmatch(group) for group in groups):
        raise BadToken(f'data[auth-extra-groups] must be groups that begin with "{GROUP}:", separated by commas')
    return tuple(groups)


def groups_of(token: BootstrapToken) -> tuple[str, ...]:
    return tuple(sorted({GROUP, *token.groups}))


def to_secret(token: BootstrapToken) -> Object:
    """The inverse of `read`."""
    data = {"token-id": token.id, "token-secret": token.secret, "description": token.description}
    data |= {"auth-extra-groups": ",".join(token.groups)}
    data |= {f"usage-bootstrap-{usage}": "true" for usage in token.usages}
    if token.expires_at is not None:
        data["expiration"] = meta.rfc3339(token.expires_at)
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items() if value}
    return {"metadata": {"name": token.name, "namespace": NAMESPACE}, "type": SECRET_TYPE, "data": encoded}


def problem(secret: Object) -> str:
    """What keeps a Secret of any type from being the token that it seems to be; "" for nothing."""
    if secret.get("type") != SECRET_TYPE:
        return ""
    try:
        read(secret)
    except BadToken as error:
        return str(error)
    return ""


def known_usages(usages: Sequence[str]) -> tuple[str, ...]:
    """In the order of USAGES. Raises BadToken."""
    if unknown := [usage for usage in usages if usage not in USAGES]:
        raise BadToken(f"{unknown[0]!r} is no usage of a token: {' and '.join(USAGES)} are")
    return tuple(usage for usage in USAGES if usage in usages)


def signature(text: str, token: BootstrapToken) -> str:
    """Of the text, without it: a JSON Web Signature (RFC 7515, appendix F), HMAC with SHA-256 under the token's secret."""
    header = _encoded(dumps({"alg": "HS256", "kid": token.id}))
    signed = f"{header}.{_encoded(text.encode())}"
    return f"{header}..{_encoded(hmac.digest(token.secret.encode(), signed.encode(), 'sha256'))}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
