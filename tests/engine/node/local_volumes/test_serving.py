"""What the control plane asks of a node's volumes, over the node's own socket."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.volumes import NodeVolumes, connecting
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.kubelet.rights import subresources
from pilothouse.engine.node.local_volumes import serving
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Wanted
from pilothouse.engine.node.streams.server import NodeServer
from pilothouse.model.errors import BadRequest, InsufficientStorage, Internal, NotFound, Unavailable
from pilothouse.model.io_limits import IoLimits

NAME = "pvc-11111111-2222-3333-4444-555555555555"


@pytest.fixture
def local(tmp_path: Path) -> LocalVolumes:
    return LocalVolumes(NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test"), missing=lambda: "")


@pytest.fixture
async def nodes(tmp_path: Path, local: LocalVolumes) -> AsyncIterator[NodeVolumes]:
    proxy = KubeletProxy((tmp_path, tmp_path), tmp_path, {})
    async with await NodeServer({serving.WORD: partial(serving.answer, local, LocalSnapshots(local))}).listen(tmp_path / "socket"):
        yield NodeVolumes(connecting("n1", tmp_path / "socket", lambda name: None, proxy))


async def test_a_volume_that_is_not_there_is_removed(nodes: NodeVolumes) -> None:
    await nodes.remove("n1", NAME)


@pytest.mark.parametrize("name", ["..", "data", "pvc-1", f"{NAME}/..", f"{NAME}x", "pvc-11111111-2222-3333-4444-55555555555\n"])
async def test_no_name_leads_elsewhere(nodes: NodeVolumes, name: str) -> None:
    with pytest.raises((BadRequest, NotFound)):
        await nodes.remove("n1", name)
    with pytest.raises((BadRequest, NotFound)):
        await nodes.ensure("n1", name, 1)


async def test_a_size_is_a_number_above_zero(nodes: NodeVolumes) -> None:
    with pytest.raises(BadRequest, match="sizeBytes"):
        await nodes.ensure("n1", NAME, 0)


async def test_more_than_the_disk_has_is_refused_before_anything_is_made(nodes: NodeVolumes, local: LocalVolumes) -> None:
    with pytest.raises(InsufficientStorage, match=r"^1048576\.0 TiB are more than the .* has left for volumes; ask for less"):
        await nodes.ensure("n1", NAME, 2**60, "Filesystem")
    assert list(local.folder.iterdir()) == []


async def test_what_others_have_been_promised_is_not_promised_again(nodes: NodeVolumes, local: LocalVolumes) -> None:
    other = local.folder / NAME.replace("1", "2") / "image"
    other.parent.mkdir(parents=True)
    with other.open("wb") as file:
        file.truncate(2**43)
    with pytest.raises(InsufficientStorage, match="than the 0 MiB"):
        await nodes.ensure("n1", NAME, 2**20, "Filesystem")


async def test_a_node_that_cannot_keep_volumes_to_their_size_makes_none(tmp_path: Path) -> None:
    poor = LocalVolumes(NodeConfig(home=tmp_path, node_name="n1", instance="x"), missing=lambda: "mkfs.ext4 cannot be found")
    assert poor.enforcement == ""
    with pytest.raises(Internal, match=r"mkfs\.ext4 cannot be found"):
        await poor.ensure(NAME, Wanted(1))


async def test_a_node_that_is_not_there_is_said(tmp_path: Path) -> None:
    nodes = NodeVolumes(connecting("n1", tmp_path / "none", lambda name: None, KubeletProxy((tmp_path, tmp_path), tmp_path, {})))
    with pytest.raises(Unavailable, match="node n1 does not answer"):
        await nodes.remove("n1", NAME)
    with pytest.raises(NotFound, match="there is no node n2"):
        await nodes.remove("n2", NAME)


def test_volumes_need_a_right_of_their_own() -> None:
    assert subresources(["volumes", NAME]) == ("volumes",)


async def test_a_volume_whose_file_is_gone_is_not_replaced_by_an_empty_one(nodes: NodeVolumes, local: LocalVolumes) -> None:
    with pytest.raises(NotFound, match="its file is gone"):
        await nodes.ensure("n1", NAME, 2**20)
    assert list(local.folder.iterdir()) == []
    with pytest.raises(BadRequest, match="mode is Filesystem or Block"):
        await nodes.ensure("n1", NAME, 2**20, "Tape")


async def test_snapshots_are_asked_for_by_their_names(nodes: NodeVolumes) -> None:
    name = NAME.replace("pvc", "snapshot")
    with pytest.raises(NotFound, match="is not on this node"):
        await nodes.snapshot("n1", name)
    with pytest.raises(NotFound, match=f"volume {NAME} is not on this node"):
        await nodes.take_snapshot("n1", name, NAME)
    await nodes.remove_snapshot("n1", name)
    with pytest.raises(BadRequest):
        await nodes.remove_snapshot("n1", "..")
    assert await nodes.unconfirmed("n1") == []
    await nodes.confirm("n1", NAME)


async def test_limits_of_io_are_numbers_of_a_volume_that_is_there(nodes: NodeVolumes) -> None:
    with pytest.raises(NotFound, match="is not on this node"):
        await nodes.limit("n1", NAME, IoLimits(500, 20 << 20))
    with pytest.raises(BadRequest, match="iops and bytesPerSecond are numbers, 0 for no limit"):
        await nodes.limit("n1", NAME, IoLimits(-1, 0))
