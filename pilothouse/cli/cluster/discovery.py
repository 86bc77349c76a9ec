"""What a machine learns of a cluster that it is to join, with nothing but a bootstrap token and the hash of the authority's key.

The first answer comes from whoever answers at the address. It is believed when the token's holder has signed it and the authority in it
is the one whose hash was given; all else is then asked of a server with a certificate of that authority.
Source: kubernetes cmd/kubeadm/app/discovery/token.
"""

import hmac
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pilothouse.cli.daemon.wiring import REGISTRY_PORT
from pilothouse.client.choice import transport_to
from pilothouse.client.client import Client
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.model import meta
from pilothouse.model.bootstrap_tokens import NAMESPACE, NODE_CONFIG, BootstrapToken, signature
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, Forbidden, NotFound, Unauthorized, Unavailable
from pilothouse.model.json import JSONError, Object, loads
from pilothouse.model.kinds import CONFIGMAPS, NODES
from pilothouse.model.networks import Network
from pilothouse.model.networks import of as networks_of

INFO_NAMESPACE, INFO = "kube-public", "cluster-info"
ANOTHER = "`ph token create --print-join-command` on the first machine prints a line with another one"
LISTENS = "`ph status` on the first machine says whether it runs, `ph up --api-listen ADDRESS` on the first machine lets others reach it"


class NotBelieved(Exception):
    """One sentence for the user: why this is not the cluster to join, or why it lets nobody join."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """server: as it was asked. authority: PEM. The rest is what nodes have to have in common. registry_port: 0 for no registry."""

    server: str
    authority: bytes
    pod_cidr: str
    service_cidr: str
    cluster_domain: str
    registry_port: int = 0

    @property
    def pod_networks(self) -> tuple[Network, ...]:
        return networks_of(self.pod_cidr)

    @property
    def networks(self) -> tuple[tuple[str, tuple[Network, ...]], ...]:
        """What each is for, and one of each IP family, the primary one first."""
        return ("pod", self.pod_networks), ("service", networks_of(self.service_cidr))


async def discover(server: str, token: BootstrapToken, hashes: tuple[str, ...], node_name: str) -> Cluster:
    """hashes: of the public keys of authorities, `sha256:HEX`; one of them is the cluster's. node_name: of who joins.

    Raises NotBelieved, ApiError.
    """
    async with _client(Kubeconfig(server=server, insecure=True)) as stranger:
        info = await _info(stranger, server)
    authority = believed(info, token, hashes)
    known = Kubeconfig(server=server, certificate_authority=authority, token=str(token))
    async with _client(known) as client:
        try:
            config: Object = await client.get(CONFIGMAPS, NODE_CONFIG, NAMESPACE)
        except Unauthorized as error:
            raise NotBelieved(
                f"the cluster at {server} does not know the token {token.id}: it has expired, or was deleted: {ANOTHER}"
            ) from error
        await require_free_name(client, server, node_name)
    data = config.get("data") or {}
    return Cluster(
        server, authority, data["podCIDR"], data["serviceCIDR"], data["clusterDomain"], natural(data.get(REGISTRY_PORT, "")) or 0
    )


async def require_free_name(client: Client, server: str, name: str) -> None:
    """Raises NotBelieved when a node of the name works. For one that does not, this machine made anew perhaps, somebody may approve.

    Source: kubeadm's check of the node's name (cmd/kubeadm/app/cmd/phases/join/kubelet.go).
    """
    try:
        node = await client.get_or_none(NODES, name)
    except Forbidden:
        return  # Who made the token has left the right out.
    if node is not None and (meta.condition(node, "Ready") or {}).get("status") == "True":
        raise NotBelieved(
            f"the cluster at {server} has a node {name} that works: give this one another name with --node-name, or, if it is this machine "
            f"made anew, take its Node away with `kubectl delete node {name}` on the first machine"
        )


@asynccontextmanager
async def _client(kubeconfig: Kubeconfig) -> AsyncIterator[Client]:
    client = Client(transport_to(kubeconfig), field_manager="ph")
    try:
        yield client
    finally:
        await client.close()


async def _info(client: Client, server: str) -> Object:
    try:
        return await client.get(CONFIGMAPS, INFO, INFO_NAMESPACE)
    except NotFound as error:
        raise NotBelieved(f"{server} is no cluster that tells strangers what it is ({INFO_NAMESPACE}/{INFO} is missing)") from error
    except Unavailable as error:
        raise NotBelieved(f"{error.message.removesuffix('; is it running?')}: {LISTENS}") from error
    except ApiError as error:
        raise NotBelieved(f"{server} cannot be asked: {error.message}") from error


def believed(info: Object, token: BootstrapToken, hashes: tuple[str, ...]) -> bytes:
    """The authorities' certificates (PEM) in the ConfigMap `cluster-info`, of those whose hash was given. Raises NotBelieved.

    Any others are left out: who has the token, but not the authority's key, may have put them there.
    """
    from pilothouse.wire.pki import certificates, public_key_hash

    data = info.get("data") or {}
    text, stated = str(data.get("kubeconfig") or ""), data.get(f"jws-kubeconfig-{token.id}")
    if not stated:
        raise NotBelieved(f"the cluster does not know the token {token.id}: it has expired, was deleted, or is not for signing: {ANOTHER}")
    if not hmac.compare_digest(stated.encode(), signature(text, token).encode()):
        raise NotBelieved(f"what answers has not signed with the token {token.id}: the token is mistyped, or this is another cluster")
    try:
        cluster = loads(text.encode())["clusters"][0]["cluster"]
        found = {public_key_hash(each): each for each in certificates(b64decode(cluster["certificate-authority-data"]))}
    except (JSONError, LookupError, TypeError, ValueError) as error:
        raise NotBelieved("the cluster's description of itself cannot be read") from error
    known = [certificate for own, certificate in found.items() if own in hashes]
    if not known:
        shown = next(iter(found), "none")
        raise NotBelieved(f"the cluster's authority has the hash {shown}, and not the one that was given: this is another cluster")
    return b"".join(known)
