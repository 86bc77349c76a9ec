"""How other servers know that a request comes from this one, and in whose name: a client certificate and headers.

The certificate is of an authority of its own: whoever holds one of the cluster's authority is nobody there, and this server, asked with it,
knows nobody by it. Source: client-go/transport/round_trippers.go; apiserver/pkg/authentication/request/headerrequest.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.proxying.headers import Pair
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import dumps

COMMON_NAME = "front-proxy-client"
CONFIGMAP = "extension-apiserver-authentication"
USER_HEADER, UID_HEADER, GROUP_HEADER, EXTRA_PREFIX = "X-Remote-User", "X-Remote-Uid", "X-Remote-Group", "X-Remote-Extra-"
_IN_NAME = frozenset(string.ascii_letters + string.digits + "!#$&'*+-.^_`|~")
"""What a header's name may hold, without the percent sign, which encodes everything else."""


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Paths of PEM files, renewed while the server runs. authority: whom other servers have to believe."""

    certificate: Path
    key: Path
    authority: Path

    def stamp(self) -> tuple[int, int]:
        """Another one once the files are others. Blocking. Raises OSError."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns


def configuration(client_authority: str, proxy_authority: str) -> dict[str, str]:
    """The data of the ConfigMap by which other servers learn whom to believe. Both: PEM."""
    return {
        "client-ca-file": client_authority,
        "requestheader-allowed-names": _listed(COMMON_NAME),
        "requestheader-client-ca-file": proxy_authority,
        "requestheader-extra-headers-prefix": _listed(EXTRA_PREFIX),
        "requestheader-group-headers": _listed(GROUP_HEADER),
        "requestheader-uid-headers": _listed(UID_HEADER),
        "requestheader-username-headers": _listed(USER_HEADER),
    }


def _listed(name: str) -> str:
    return dumps([name]).decode()


def identifying(user: User) -> list[Pair]:
    """The headers that say who asks.

    Raises Forbidden for who cannot be named in a header: the other server would take it for somebody else.
    """
    return [(name.lower(), _as_header(value, user)) for name, value in _said(user)]


def _said(user: User) -> Iterator[Pair]:
    yield USER_HEADER, user.name
    if user.uid:
        yield UID_HEADER, user.uid
    for group in user.groups:
        yield GROUP_HEADER, group
    for key, values in user.extra.items():
        for value in values:
            yield EXTRA_PREFIX + _as_name(key), value


def _as_header(value: str, user: User) -> str:
    """UTF-8, in the characters by which `Outgoing` sends bytes."""
    if value != value.strip() or any(mark in value for mark in "\r\n\0"):
        raise Forbidden(f"a server of others cannot be told who asks: {value!r} of the user {user.name!r} does not fit into a header")
    return value.encode().decode("latin-1")


def _as_name(key: str) -> str:
    return "".join(chr(byte) if chr(byte) in _IN_NAME else f"%{byte:02X}" for byte in key.lower().encode())
