"""What makes a home a node of a cluster: its settings, the authority to believe, and the token to sign in with at first."""

import os
from collections.abc import Sequence
from pathlib import Path

from pilothouse.cli.cluster import ports
from pilothouse.cli.cluster.choice import PORTS
from pilothouse.cli.cluster.discovery import Cluster
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.client import kubeconfig_file
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.engine.identities import Identities
from pilothouse.model.networks import shown

DEFAULTS = Settings()
KUBELET_PORT = 10250


def write(home: Home, cluster: Cluster, token: str, *, node_name: str, node_addresses: Sequence[str], parent: str = "") -> Settings:
    """Files only; nothing is started. The settings come last: with them the home is a node."""
    identities = Identities(home.pki)
    home.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(identities.ca, cluster.authority)
    bootstrap = Kubeconfig(server=cluster.server, certificate_authority=cluster.authority, token=token)
    kubeconfig_file.write(identities.bootstrap, kubeconfig_file.document(bootstrap, home.cluster_name))
    _, others = PORTS["kubelet_port"]
    settings = Settings(
        platform=False,
        registry_port=cluster.registry_port or DEFAULTS.registry_port,
        reaches_registry=bool(cluster.registry_port),
        # A further node has a network namespace, with all ports, of its own.
        kubelet_port=KUBELET_PORT if parent else ports.choose(node_addresses[0], KUBELET_PORT, others),
        pod_cidr=cluster.pod_cidr,
        service_cidr=cluster.service_cidr,
        cluster_domain=cluster.cluster_domain,
        server=cluster.server,
        node_name=node_name,
        node_address=shown(node_addresses),
        parent=parent,
    )
    settings.save(home)
    return settings


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
