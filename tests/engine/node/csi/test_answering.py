"""What the control plane asks of drivers reaches them at their node, over its socket and over its kubelet API, and nothing else does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.apiserver.kubelet.drivers import NodeDrivers
from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.engine.apiserver.kubelet.volumes import connecting
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods, serving
from pilothouse.engine.csi.driver import Driver
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.answering import DriverAnswers
from pilothouse.engine.node.csi.drivers import Drivers, Registered
from pilothouse.engine.node.streams.server import NodeServer
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.faults import Fault

NAME = "folders.test"


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[FolderDriver]:
    async with FolderDriver(tmp_path / "driver").at(tmp_path / "d") as found:
        yield found


@pytest.fixture
async def answers(tmp_path: Path, driver: FolderDriver) -> AsyncIterator[DriverAnswers]:
    known = Drivers(NodeConfig(home=tmp_path, node_name="n1", instance="t"))
    reached = Driver(NAME, tmp_path / "d")
    known.add(Registered(reached, tmp_path / "r", False, frozenset(), "here"))
    found = DriverAnswers()
    found.drivers = known
    yield found
    await reached.close()


@pytest.fixture
async def calls(tmp_path: Path, answers: DriverAnswers) -> AsyncIterator[NodeDrivers]:
    proxy = KubeletProxy((tmp_path, tmp_path), tmp_path, {})
    async with await NodeServer({serving.WORD: answers.answer}).listen(tmp_path / "n"):
        yield NodeDrivers(connecting("n1", tmp_path / "n", lambda name: None, proxy))


def creation(**fields: Any) -> csi.CreateVolumeRequest:
    found = csi.CreateVolumeRequest(name="v", **fields)
    found.volume_capabilities.add().mount.SetInParent()
    return found


async def test_a_driver_answers_at_its_node(calls: NodeDrivers, driver: FolderDriver) -> None:
    answer = await calls.call("n1", NAME, methods.CREATE_VOLUME, creation(parameters={"a": "b" * 100_000}, secrets={"k": "s"}), 10)
    assert [each.id for each in driver.store.volumes()] == [answer.volume.volume_id]
    assert dict(driver.request("CreateVolume").secrets) == {"k": "s"}


async def test_a_refusal_comes_as_the_driver_has_said_it(calls: NodeDrivers) -> None:
    with pytest.raises(CsiFailure) as refused:
        await calls.call("n1", NAME, methods.CREATE_VOLUME, creation(parameters={"refuse": "no such pool"}), 10)
    assert (refused.value.code, refused.value.why, refused.value.is_final) == ("INVALID_ARGUMENT", "no such pool", True)


async def test_a_driver_that_hangs_is_given_up(calls: NodeDrivers, driver: FolderDriver) -> None:
    driver.faults.set("CreateVolume", Fault(hang_s=1.5))
    with pytest.raises(CsiFailure) as refused:
        await calls.call("n1", NAME, methods.CREATE_VOLUME, creation(), 1)
    assert (refused.value.code, refused.value.is_final) == ("DEADLINE_EXCEEDED", False)


@pytest.mark.parametrize(
    ("node", "name", "expected"),
    [("n1", "other.test", "it is not registered on this node"), ("n9", NAME, "there is no node n9"), ("n1", "a/../b", "not registered")],
)
async def test_who_is_not_there_is_named(calls: NodeDrivers, node: str, name: str, expected: str) -> None:
    with pytest.raises(CsiFailure, match=expected) as refused:
        await calls.call(node, name, methods.CREATE_VOLUME, creation(), 10)
    assert not refused.value.is_final


async def test_a_node_without_an_agent_says_so(calls: NodeDrivers, answers: DriverAnswers) -> None:
    answers.drivers = None
    with pytest.raises(CsiFailure, match="agent is not running"):
        await calls.call("n1", NAME, methods.CREATE_VOLUME, creation(), 10)


async def test_what_is_done_on_the_node_cannot_be_asked_for_from_outside(calls: NodeDrivers, driver: FolderDriver) -> None:
    request = csi.NodeUnpublishVolumeRequest(volume_id="v", target_path="/etc")
    with pytest.raises(CsiFailure, match="serves no /csi"):
        await calls.call("n1", NAME, methods.NODE_UNPUBLISH_VOLUME, request, 10)
    assert driver.asked() == []
