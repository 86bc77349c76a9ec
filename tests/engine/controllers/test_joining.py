"""A node's certificates from its token on: asked for, approved by what the API knows of the node, renewed, and not had by others."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.cli.cluster.discovery import NotBelieved, require_free_name
from pilothouse.client import kubeconfig_file
from pilothouse.client.certificates.files import KubeconfigFile, PairFiles
from pilothouse.client.certificates.keeper import CertificateKeeper, Kept
from pilothouse.client.certificates.request import NotSigned, Subject, obtain
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig, KubeconfigError, load
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import NODE_GROUP, BootstrapToken
from pilothouse.model.certificates import APISERVER_CLIENT, PROXY_GROUPS, PROXY_USER
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS, NODES, SECRETS
from pilothouse.wire import pki
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.engine.controllers.conftest import Cluster
from tests.people import client_of, node

TOKEN = BootstrapToken("abcdef", "0123456789abcdef", groups=(NODE_GROUP,))
PROXY = Subject(PROXY_USER, PROXY_GROUPS)
ADDRESS = {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]}


@pytest.fixture
async def bootstrap(server: ApiServer, cluster: Cluster, authority: CertificateAuthority, tmp_path: Path) -> AsyncIterator[Path]:
    """The kubeconfig of a machine that has nothing but a token."""
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(TOKEN), "kube-system")
    own = authority.issue_server(["localhost"], ["127.0.0.1"])
    async with await serve(server.handle, tls=server_context(own.certificate, own.key, authority.certificate)) as listening:
        config = Kubeconfig(f"https://127.0.0.1:{listening.port}", certificate_authority=authority.certificate, token=str(TOKEN))
        path = tmp_path / "bootstrap.kubeconfig"
        kubeconfig_file.write(path, kubeconfig_file.document(config, "c"))
        yield path


class Machine:
    """now: what its clock says, from the real time on."""

    def __init__(self, folder: Path, bootstrap: Path, first_patience_s: float = 15.0) -> None:
        self.node, self.proxy = folder / "node.kubeconfig", folder / "kube-proxy.kubeconfig"
        self.server = folder / "kubelet.crt"
        self.ahead_s = 0.0
        self.keeper = CertificateKeeper(
            [
                Kept(KubeconfigFile(self.node, "c"), Subject.of_node("n"), (self.node, bootstrap)),
                Kept(KubeconfigFile(self.proxy, "c"), PROXY, (self.node,)),
                Kept(PairFiles(folder, "kubelet"), Subject.of_node_server("n", "192.0.2.7"), (self.node,)),
            ],
            lifetime_s=36000,
            clock=lambda: time.time() + self.ahead_s,
            first_patience_s=first_patience_s,
        )

    async def keep(self) -> None:
        """Until all are there and good."""
        async with scope() as tasks:
            await tasks.start(self.keeper.run)
            tasks.cancel()


async def registered(machine: Machine) -> None:
    """What the agent does as soon as it can sign in."""
    while not machine.node.exists():
        await asyncio.sleep(0.01)
    client = Client(HttpTransport(load(machine.node)))
    await client.create(NODES, {"metadata": {"name": "n"}, "status": ADDRESS})
    await client.close()


async def test_a_machine_gets_from_its_token_to_all_its_certificates_and_renews_them(
    bootstrap: Path, cluster: Cluster, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, bootstrap)
    async with scope() as tasks:
        tasks.spawn(registered(machine))
        await machine.keep()
    first = [load(machine.node).client_certificate, load(machine.proxy).client_certificate, machine.server.read_bytes()]
    assert load(machine.node).token is None
    await cluster.client.delete(SECRETS, "bootstrap-token-abcdef", "kube-system")

    await machine.keep()
    assert load(machine.node).client_certificate == first[0]
    machine.ahead_s = 0.95 * 36000
    bootstrap.unlink()
    await machine.keep()
    second = [load(machine.node).client_certificate, load(machine.proxy).client_certificate, machine.server.read_bytes()]
    assert not set(first) & set(second)
    assert all(pki.days_left(each or b"") > 0 for each in second)


async def test_who_comes_back_after_the_end_of_its_certificate_is_told_to_join_again(
    bootstrap: Path, cluster: Cluster, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, bootstrap)
    async with scope() as tasks:
        tasks.spawn(registered(machine))
        await machine.keep()
    bootstrap.unlink()
    machine.ahead_s = 36000.0
    with pytest.raises(KubeconfigError, match="join again"):
        await machine.keeper.run(asyncio.Event())


async def requests(cluster: Cluster) -> list[Object]:
    return (await cluster.client.list(CERTIFICATESIGNINGREQUESTS)).items


async def test_a_request_that_somebody_approves_later_is_still_waited_for(bootstrap: Path, cluster: Cluster, tmp_path: Path) -> None:
    """There is a Node of that name: a person decides, and takes longer than the machine waits at a time, or runs."""
    await cluster.create(NODES, {"metadata": {"name": "n"}, "status": ADDRESS})
    for _ in range(2):
        with pytest.raises(NotSigned, match="kubectl certificate approve"):
            await Machine(tmp_path, bootstrap, 0.5).keeper.run(asyncio.Event())
    (asked,) = await requests(cluster)
    assert (tmp_path / "node.kubeconfig.request").stat().st_mode & 0o077 == 0
    approved = {"type": "Approved", "status": "True", "reason": "ByHand"}
    await cluster.client.update(CERTIFICATESIGNINGREQUESTS, asked | {"status": {"conditions": [approved]}}, subresource="approval")
    machine = Machine(tmp_path, bootstrap)
    await machine.keep()
    assert load(machine.node).client_certificate
    assert not list(tmp_path.glob("*.request"))


async def test_a_request_that_was_refused_or_is_gone_is_made_anew(bootstrap: Path, cluster: Cluster, tmp_path: Path) -> None:
    await cluster.create(NODES, {"metadata": {"name": "n"}, "status": ADDRESS})
    machine = Machine(tmp_path, bootstrap, 0.5)
    with pytest.raises(NotSigned, match="waits for somebody's approval"):
        await machine.keeper.run(asyncio.Event())
    (asked,) = await requests(cluster)
    denied = {"type": "Denied", "status": "True", "reason": "ByHand"}
    await cluster.client.update(CERTIFICATESIGNINGREQUESTS, asked | {"status": {"conditions": [denied]}}, subresource="approval")
    with pytest.raises(NotSigned, match="was refused"):
        await machine.keeper.run(asyncio.Event())
    with pytest.raises(NotSigned, match="waits for somebody's approval"):
        await machine.keeper.run(asyncio.Event())
    first, second = sorted(await requests(cluster), key=lambda each: each["metadata"]["name"] != asked["metadata"]["name"])
    await cluster.client.delete(CERTIFICATESIGNINGREQUESTS, second["metadata"]["name"])
    with pytest.raises(NotSigned, match="waits for somebody's approval"):
        await machine.keeper.run(asyncio.Event())
    assert len(await requests(cluster)) == 2
    assert first["metadata"]["name"] == asked["metadata"]["name"]


async def test_a_clock_that_is_far_ahead_asks_for_no_certificate_after_the_other(bootstrap: Path, cluster: Cluster, tmp_path: Path) -> None:
    machine = Machine(tmp_path, bootstrap)
    machine.ahead_s = 0.95 * 36000
    async with scope() as tasks:
        tasks.spawn(registered(machine))
        await tasks.start(machine.keeper.run)
        made = len(await requests(cluster))
        await asyncio.sleep(2.5)
        assert len(await requests(cluster)) == made
        tasks.cancel()


async def test_who_joins_with_the_name_of_a_node_that_works_is_told_before_anything_is_asked_for(bootstrap: Path, cluster: Cluster) -> None:
    """With the rights of its token."""
    config = load(bootstrap)
    client = Client(HttpTransport(config), field_manager="ph")
    await require_free_name(client, config.server, "n")
    ready = {"conditions": [{"type": "Ready", "status": "False"}]}
    await cluster.create(NODES, {"metadata": {"name": "n"}, "status": ready})
    await require_free_name(client, config.server, "n")
    ready["conditions"][0]["status"] = "True"
    await cluster.client.patch(NODES, "n", {"status": ready}, subresource="status")
    with pytest.raises(NotBelieved, match="has a node n that works: give this one another name with --node-name"):
        await require_free_name(client, config.server, "n")
    await client.close()


@pytest.mark.parametrize(
    ("addresses", "why"), [(("192.0.2.8",), "of another node"), (("192.0.2.9",), "of nobody"), (("127.0.0.1",), "loopback")]
)
async def test_a_node_gets_no_certificate_for_addresses_that_are_not_its_own(
    server: ApiServer, cluster: Cluster, addresses: tuple[str, ...], why: str
) -> None:
    both = [{"type": "InternalIP", "address": address} for address in ("192.0.2.7", "192.0.2.8", "127.0.0.1")]
    await cluster.create(NODES, {"metadata": {"name": "n"}, "status": {"addresses": both}})
    await cluster.create(NODES, {"metadata": {"name": "m"}, "status": {"addresses": both[1:2]}})
    client = client_of(server, node("n"))
    with pytest.raises(NotSigned, match="waits for somebody's approval"):
        await obtain(client, Subject("system:node:n", ("system:nodes",), "kubernetes.io/kubelet-serving", addresses), patience_s=0.5)
    own = Subject.of_node_server("n", "192.0.2.7")
    assert b"CERTIFICATE" in (await obtain(client, own, patience_s=5)).certificate


async def test_a_node_gets_no_other_clients_certificate_than_its_proxys(server: ApiServer, cluster: Cluster) -> None:
    await cluster.create(NODES, {"metadata": {"name": "n"}})
    client = client_of(server, node("n"))
    assert b"CERTIFICATE" in (await obtain(client, PROXY, patience_s=5)).certificate
    for subject in (Subject(PROXY_USER, (*PROXY_GROUPS, "pilothouse:admins")), Subject("admin", ("pilothouse:admins",))):
        with pytest.raises(NotSigned):
            await obtain(client, subject, patience_s=0.5)
    with pytest.raises(Forbidden):
        await obtain(client, Subject("system:node:m", ("system:nodes",), APISERVER_CLIENT), patience_s=0.5)
    assert (await client_of(server, node("gone")).list(NODES, field_selector="metadata.name=gone")).items == []
    with pytest.raises(NotSigned):
        await obtain(client_of(server, node("gone")), PROXY, patience_s=0.5)
