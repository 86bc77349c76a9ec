"""From a bootstrap token to a node's certificate, and what is told to who has only the token."""

import hmac
import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import NODE_GROUP, BootstrapToken
from pilothouse.model.certificates import KUBELET_SERVING
from pilothouse.model.json import Object, loads
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS, CONFIGMAPS, SECRETS
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.csr import CSRS, KEY_PEM, SERVER, condition, csr, node_csr, request
from tests.engine.apiserver.https import Https
from tests.engine.controllers.conftest import Cluster, api_server, held

TOKEN = BootstrapToken("abcdef", "0123456789abcdef", groups=(NODE_GROUP,))
NODES = "/api/v1/nodes"
INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


@pytest.fixture
async def server(tmp_path: Path, state: Path, authority: CertificateAuthority) -> AsyncIterator[ApiServer]:
    async with held(api_server(tmp_path, state, ca=authority.certificate.decode())) as opened:
        yield opened


@pytest.fixture
async def https(server: ApiServer, authority: CertificateAuthority) -> AsyncIterator[Https]:
    own = authority.issue_server(["localhost"], ["127.0.0.1"])
    async with await serve(server.handle, tls=server_context(own.certificate, own.key, authority.certificate)) as listening:
        https = Https(server, authority, f"https://127.0.0.1:{listening.port}")
        yield https
        await https.close()


async def issued(cluster: Cluster, name: str) -> bytes:
    found = await cluster.until_one(CERTIFICATESIGNINGREQUESTS, name, lambda each: (each.get("status") or {}).get("certificate"))
    return b64decode(found["status"]["certificate"])


async def test_a_node_gets_from_its_token_to_its_certificates(cluster: Cluster, https: Https) -> None:
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(TOKEN), "kube-system")
    joining = https.bearing(str(TOKEN))
    await joining.post(CSRS, node_csr("first", "n"))
    node = https.holding(await issued(cluster, "first"), KEY_PEM)
    assert await node.post(NODES, {"metadata": {"name": "n"}})
    assert "is not allowed to modify node" in (await node.refused("POST", NODES, {"metadata": {"name": "other"}})).message

    await node.post(CSRS, node_csr("renewed", "n"))
    renewed = https.holding(await issued(cluster, "renewed"), KEY_PEM)
    assert (await renewed.get(f"{NODES}/n"))["metadata"]["name"] == "n"

    pem = request("system:node:n", "system:nodes", dns="n", ip="10.0.0.1")
    await renewed.post(CSRS, csr("serving", pem, KUBELET_SERVING, SERVER))
    await cluster.client.patch(CERTIFICATESIGNINGREQUESTS, "serving", approval(), subresource="approval")
    with pytest.raises(Exception, match=r"(?i)certificate|connect|closed|reset"):
        await https.holding(await issued(cluster, "serving"), KEY_PEM).get(f"{NODES}/n")


def approval() -> Object:
    return {"status": {"conditions": [condition()]}}


async def test_a_token_of_another_group_gets_no_certificate_by_itself(cluster: Cluster, https: Https) -> None:
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(replace(TOKEN, groups=())), "kube-system")
    assert (await https.bearing(str(TOKEN)).refused("POST", CSRS, node_csr("c", "n"))).code == 403


async def test_a_stranger_with_a_token_can_check_where_the_cluster_is(cluster: Cluster, https: Https, server: ApiServer) -> None:
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(TOKEN), "kube-system")
    await cluster.until_one(CONFIGMAPS, "cluster-info", lambda each: "jws-kubeconfig-abcdef" in each["data"], "kube-public")
    data = (await https.anonymous().get(INFO))["data"]
    header, _, mac = data["jws-kubeconfig-abcdef"].split(".")
    signed = header + "." + b64url(data["kubeconfig"].encode())
    assert urlsafe_b64decode(mac + "=") == hmac.digest(b"0123456789abcdef", signed.encode(), "sha256")
    assert loads(urlsafe_b64decode(header + "==")) == {"alg": "HS256", "kid": "abcdef"}
    found = loads(data["kubeconfig"])["clusters"][0]["cluster"]
    assert b64decode(found["certificate-authority-data"]).decode() == server.backend.ca


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_signatures_go_with_their_token(cluster: Cluster) -> None:
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(TOKEN), "kube-system")
    await cluster.until_one(CONFIGMAPS, "cluster-info", lambda each: "jws-kubeconfig-abcdef" in each["data"], "kube-public")
    await cluster.client.delete(SECRETS, TOKEN.name, "kube-system")
    await cluster.until_one(CONFIGMAPS, "cluster-info", lambda each: list(each["data"]) == ["kubeconfig"], "kube-public")


async def test_an_expired_token_is_deleted(cluster: Cluster) -> None:
    await cluster.create(SECRETS, bootstrap_tokens.to_secret(replace(TOKEN, expires_at=time.time() + 1)), "kube-system")
    await cluster.until(SECRETS, lambda items: not items, "the token to go", "kube-system")
