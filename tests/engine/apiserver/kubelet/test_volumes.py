"""Volumes of another node: the API server may have them made and removed, and nobody else that may only look at nodes or start programs."""

from pathlib import Path

import pytest

from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.volumes import NodeVolumes, connecting
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.errors import BadRequest, Internal, NotFound
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import grant, rule
from tests.engine.apiserver.kubelet.conftest import NODE, Kubelet

NAME = "pvc-11111111-2222-3333-4444-555555555555"


def volumes(server: ApiServer, kubelet: Kubelet) -> NodeVolumes:
    assert isinstance(server.backend.proxy, KubeletProxy)
    found: Object = {"metadata": {"name": NODE}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}}}}
    return NodeVolumes(connecting("another", Path("/nonexistent"), lambda name: found if name == NODE else None, server.backend.proxy))


async def test_the_api_server_reaches_the_volumes_of_another_node(server: ApiServer, proxied: Kubelet) -> None:
    there = volumes(server, proxied)
    await there.remove(NODE, NAME)
    with pytest.raises(Internal, match="cannot be kept to their size on this node: it is played"):
        await there.ensure(NODE, NAME, 1)
    with pytest.raises(BadRequest, match="is no name of a volume"):
        await there.remove(NODE, "..%2F..%2Fetc")
    with pytest.raises(NotFound, match="there is no node n9"):
        await there.remove("n9", NAME)


@pytest.mark.parametrize("subresource", ["proxy", "stats", "pods"])
async def test_no_right_to_look_or_to_start_programs_is_one_to_remove_data(api: Api, kubelet: Kubelet, subresource: str) -> None:
    await grant(api, "friend", rule("*", f"nodes/{subresource}"))
    answer = await kubelet.ask(f"/volumes/{NAME}", method="DELETE", user="friend")
    assert answer.status == 403
