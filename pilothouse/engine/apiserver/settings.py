"""How a server is told where it stands: what its pods and clients know it by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.apiserver.identity import User

DEFAULT_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Settings:
    """state: directory for the token key and caches. host, port: where clients on this machine and in pods reach the server.

    node_ports: first inclusive, last exclusive. static_tokens: bearer tokens for those who can have no certificate.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 6443
    ca: str = ""
    issuer: str = DEFAULT_ISSUER
    service_cidr: str = "10.96.0.0/16"
    node_ports: range = range(30000, 32768)
    static_tokens: Mapping[str, User] = field(default_factory=dict)
