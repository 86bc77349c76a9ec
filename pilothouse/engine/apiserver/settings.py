"""How a server is told where it stands: what its pods and clients know it by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.apiserver.authz.secrets import SecretReader
from pilothouse.engine.apiserver.identity import User
from pilothouse.model.json import Object

DEFAULT_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Settings:
    """state: directory for the token key and caches. host, port: where clients on this machine and in pods reach the server.

    node_ports: first inclusive, last exclusive. static_tokens: bearer tokens for those who can have no certificate.
    cluster_roles, cluster_role_bindings: kept as the cluster's own are, for parts that the engine does not know; secret_readers: likewise.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 6443
    ca: str = ""
    issuer: str = DEFAULT_ISSUER
    service_cidr: str = "10.96.0.0/16"
    node_ports: range = range(30000, 32768)
    static_tokens: Mapping[str, User] = field(default_factory=dict)
    cluster_roles: Sequence[Object] = ()
    cluster_role_bindings: Sequence[Object] = ()
    secret_readers: Sequence[SecretReader] = ()
