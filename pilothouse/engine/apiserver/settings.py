"""How a server is told where it stands: what its pods and clients know it by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.engine.apiserver.aggregator.front_proxy import FrontProxy
from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.authz.secrets import SecretReader
from pilothouse.engine.apiserver.identity import User
from pilothouse.model.json import Object

DEFAULT_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Settings:
    """state: directory for the token key and caches. host, port: where clients on this machine and in pods reach the server.

    node_ports: first inclusive, last exclusive. static_tokens: bearer tokens for those who can have no certificate.
    cluster_roles, cluster_role_bindings: kept as the cluster's own are, for parts that the engine does not know; secret_readers: likewise.
    platform_namespace: of the service accounts that are served with the controllers, apart from everybody's workloads.
    service_cidrs, pod_cidrs: one, or one of each IP family, the primary one first. pod_cidrs: of all pods, none when they are not known:
    Services get no addresses of them. node_prefixes: of the part of each that a node has, none where one node may have all.
    dns_addresses: of the Service kube-system/kube-dns, as service_cidrs; none: there is none, or whoever runs the DNS makes it.
    cluster_domain: of the names of Services.
    allowed_sysctls: patterns of kernel parameters that pods may set beside the safe ones.
    admission_plugins: names of those that a cluster has when it is asked for them.
    node_config: what nodes are told of parts that the engine does not know.
    front_proxy: how other API servers know this one; None: they are asked without a certificate, and believe nothing it says.
    auditor: records requests; None when nobody does. metrics_resolution_s: how often nodes are asked what they use, while somebody asks.
    scheduler_names: by which pods ask for placing here (`schedulerName`).
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 6443
    ca: str = ""
    issuer: str = DEFAULT_ISSUER
    service_cidrs: Sequence[str] = ("10.96.0.0/16",)
    dns_addresses: Sequence[str] = ()
    pod_cidrs: Sequence[str] = ()
    node_prefixes: Sequence[int] = ()
    cluster_domain: str = "cluster.local"
    node_config: Mapping[str, str] = field(default_factory=dict)
    node_ports: range = range(30000, 32768)
    static_tokens: Mapping[str, User] = field(default_factory=dict)
    cluster_roles: Sequence[Object] = ()
    cluster_role_bindings: Sequence[Object] = ()
    secret_readers: Sequence[SecretReader] = ()
    platform_namespace: str = "pilothouse-system"
    allowed_sysctls: Sequence[str] = ()
    admission_plugins: Sequence[str] = ()
    auditor: Auditor | None = None
    metrics_resolution_s: float = 15.0
    scheduler_names: Sequence[str] = ()
    front_proxy: FrontProxy | None = None
