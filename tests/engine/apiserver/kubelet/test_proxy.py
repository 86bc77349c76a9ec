"""nodes/proxy: what the API server hands on to nodes, for whom, and what it says when it cannot."""

import pytest

from pilothouse.client.transport import Call
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.kubelet.conftest import NODE, Kubelet

PROXY = f"/api/v1/nodes/{NODE}/proxy"


async def read(https: Https, path: str, user: str = "admin", *groups: str) -> str:
    api = https.certified(user, *(groups or ("pilothouse:admins",)))
    async with api.transport.stream(Call("GET", path)) as chunks:
        return b"".join([chunk async for chunk in chunks]).decode()


@pytest.mark.parametrize("name", [NODE, f"https:{NODE}:PORT", f"{NODE}:PORT"])
async def test_an_administrator_reads_a_nodes_statistics(proxied: Kubelet, https: Https, name: str) -> None:
    found = await read(https, f"/api/v1/nodes/{name.replace('PORT', str(proxied.port))}/proxy/stats/summary")
    assert '"nodeName":"n1"' in found


async def test_a_query_and_a_final_slash_are_handed_on(proxied: Kubelet, https: Https) -> None:
    assert await read(https, f"{PROXY}/containerLogs/default/p/c?tailLines=4") == "c tail=4\n"
    assert "PodList" in await read(https, f"{PROXY}/runningpods/")


async def test_the_answer_of_the_node_stands_whatever_it_is(proxied: Kubelet, https: Https) -> None:
    api = https.certified("admin", "pilothouse:admins")
    refused = await api.refused("GET", f"{PROXY}/logs/")
    assert refused.code == 405
    assert (await api.refused("GET", f"{PROXY}/nosuch")).code == 404


async def test_who_may_read_nodes_may_not_use_their_proxy(proxied: Kubelet, https: Https, api: Api) -> None:
    await grant(api, "ann", rule("get list watch", "nodes nodes/stats"))
    user = https.certified("ann")
    assert (await user.refused("GET", f"{PROXY}/stats/summary")).code == 403
    await grant(api, "bob", rule("get", "nodes/proxy"))
    assert "nodeName" in await read(https, f"{PROXY}/stats/summary", "bob", "people")
    assert (await https.certified("bob").refused("POST", f"{PROXY}/run/default/p/c", cmd="id")).code == 403


async def test_a_node_that_is_not_there_or_does_not_answer_is_named(proxied: Kubelet, api: Api, https: Https) -> None:
    user = https.certified("admin", "pilothouse:admins")
    assert (await user.refused("GET", "/api/v1/nodes/nosuch/proxy/healthz")).code == 404
    assert "leave the port out" in (await user.refused("GET", f"/api/v1/nodes/{NODE}:22/proxy/healthz")).message
    assert "name the node as" in (await user.refused("GET", f"/api/v1/nodes/http:{NODE}:1/proxy/healthz")).message
    await proxied.server.close(0)
    failed = await user.refused("GET", f"{PROXY}/healthz")
    assert (failed.code, f"error trying to reach node {NODE}" in failed.message) == (503, True)


async def test_a_server_without_nodes_says_so(api: Api) -> None:
    await api.post("/api/v1/nodes", {"metadata": {"name": NODE}})
    assert (await api.refused("GET", f"{PROXY}/healthz")).code == 503
