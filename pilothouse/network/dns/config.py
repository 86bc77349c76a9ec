"""Settings of the cluster's DNS."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ClusterDNSConfig:
    """addresses, port: where this node's server listens, reachable for pods; one address for each IP family, the primary one first.

    cluster_ips: of the Service kube-dns, as pods know it, likewise. networks: CIDRs of services and pods, for which reverse questions are
    answered here. upstream: servers for other names, as `address` or `address:port`; None: those of resolv_conf, read again when it
    changes. standby: path of a socket by which the next server of this node takes over, None for no standby.
    kept: path of the last Corefile that was taken, for the next start; None to keep none.
    """

    node: str
    addresses: tuple[str, ...]
    cluster_ips: tuple[str, ...]
    port: int = 53
    zone: str = "cluster.local"
    networks: tuple[str, ...] = ()
    upstream: tuple[str, ...] | None = None
    resolv_conf: Path = Path("/etc/resolv.conf")
    ttl_s: int = 5
    standby: Path | None = None
    kept: Path | None = None
