"""Pods of another node, by its kubelet API: what is asked arrives, and what is refused is told as the API server tells it."""

import socket
from typing import Any

import pytest

from pilothouse.engine.apiserver.kubelet.by_node import ByNode
from pilothouse.engine.apiserver.kubelet.node import KubeletNode
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import BadRequest, NotFound, Unavailable
from pilothouse.model.json import Object
from tests.engine.apiserver.kubelet.conftest import NODE, POD, Kubelet

ON_NODE = POD | {"spec": POD["spec"] | {"nodeName": NODE}}


def connector(server: ApiServer, found: Object | None) -> KubeletNode:
    assert isinstance(server.backend.proxy, KubeletProxy)
    return KubeletNode(NODE, lambda: found, server.backend.proxy)


def node(kubelet: Kubelet, port: int = 0) -> Object:
    return {"metadata": {"name": NODE}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": port or kubelet.port}}}}


async def test_logs_come_from_the_node_that_the_pod_is_on(server: ApiServer, proxied: Kubelet) -> None:
    asked: list[str] = []

    def reach(name: str) -> KubeletNode:
        asked.append(name)
        return connector(server, node(proxied))

    pieces = [piece async for piece in ByNode(reach).logs(ON_NODE, "c", LogOptions(tail=3))]
    assert (b"".join(pieces), asked) == (b"c tail=3\n", [NODE])


@pytest.mark.parametrize(("container", "kind", "words"), [("nosuch", NotFound, 'container "nosuch" not found in pod "p"')])
async def test_what_the_node_refuses_keeps_its_kind_and_words(
    server: ApiServer, proxied: Kubelet, container: str, kind: type[Exception], words: str
) -> None:
    there = connector(server, node(proxied))
    with pytest.raises(kind, match=words):
        [piece async for piece in there.logs(ON_NODE, container, LogOptions())]
    with pytest.raises(kind, match=words):
        await there.exec(ON_NODE, container, ["x"], stdin=False, stdout=True, stderr=True, tty=False)


async def test_a_bad_request_is_one_over_the_upgrade_too(server: ApiServer, proxied: Kubelet) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise BadRequest('container "c" in pod "p" is not running')

    proxied.host.connector.exec_pipe = refuse
    with pytest.raises(BadRequest, match="is not running"):
        await connector(server, node(proxied)).exec(ON_NODE, "c", ["x"], stdin=False, stdout=True, stderr=True, tty=False)


async def test_a_node_that_is_away_or_gone_is_named(server: ApiServer, proxied: Kubelet) -> None:
    with pytest.raises(Unavailable, match=f"error trying to reach node {NODE}"):
        await connector(server, node(proxied, port=1)).connect(ON_NODE, 80)
    with pytest.raises(Unavailable, match=f"there is no node {NODE}"):
        await connector(server, None).connect(ON_NODE, 80)


async def test_a_node_that_only_accepts_is_given_up(server: ApiServer, proxied: Kubelet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.kubelet.proxy.CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = connector(server, node(proxied, silent.getsockname()[1]))
        with pytest.raises(Unavailable, match=f"error trying to reach node {NODE}: dial tcp .*: i/o timeout"):
            await there.exec(ON_NODE, "c", ["x"], stdin=False, stdout=True, stderr=True, tty=False)


async def test_the_kernel_looks_after_a_node_that_goes_without_a_word(server: ApiServer, proxied: Kubelet) -> None:
    assert isinstance(server.backend.proxy, KubeletProxy)
    _, writer, _ = await server.backend.proxy.connect(node(proxied))
    assert writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    writer.transport.abort()


async def test_a_node_that_says_nothing_took_too_long(server: ApiServer, proxied: Kubelet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.kubelet.connector.HEAD_S", 0)
    with pytest.raises(Unavailable, match=f"node {NODE} does not answer: it took too long"):
        [piece async for piece in connector(server, node(proxied)).logs(ON_NODE, "c", LogOptions())]
