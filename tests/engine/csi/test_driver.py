"""What the client of a driver makes of its answers and of its silence."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse.engine.csi import capabilities, methods
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi.driver import CsiFailure, Driver
from tests.csi_driver.serving import Handler, Refused, serving


@asynccontextmanager
async def asking(socket: Path, *handlers: tuple[methods.Method, Handler]) -> AsyncIterator[Driver]:
    driver = Driver("a.test", socket)
    try:
        async with serving(socket, handlers):
            yield driver
    finally:
        await driver.close()


async def create(driver: Driver, timeout_s: float = 5.0) -> csi.CreateVolumeResponse:
    return await driver.call(methods.CREATE_VOLUME, csi.CreateVolumeRequest(name="one"), timeout_s)


def refusing(code: str, why: str) -> tuple[methods.Method, Handler]:
    async def refuse(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        raise Refused(code, why)

    return methods.CREATE_VOLUME, refuse


async def test_an_answer_is_the_drivers(tmp_path: Path) -> None:
    async def made(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        return csi.CreateVolumeResponse(volume=csi.Volume(volume_id=f"id-of-{request.name}"))

    async with asking(tmp_path / "s", (methods.CREATE_VOLUME, made)) as driver:
        assert (await create(driver)).volume.volume_id == "id-of-one"


async def test_a_refusal_names_the_driver_the_method_and_the_reason(tmp_path: Path) -> None:
    async with asking(tmp_path / "s", refusing("INVALID_ARGUMENT", "no such\n  parameter")) as driver:
        with pytest.raises(CsiFailure) as caught:
            await create(driver)
    assert str(caught.value) == "driver a.test: CreateVolume: INVALID_ARGUMENT: no such parameter"
    assert caught.value.is_final


async def test_a_long_refusal_is_cut(tmp_path: Path) -> None:
    async with asking(tmp_path / "s", refusing("INTERNAL", "x" * 5000)) as driver:
        with pytest.raises(CsiFailure) as caught:
            await create(driver)
    assert len(caught.value.why) == 1024


@pytest.mark.parametrize("code", ["ABORTED", "CANCELLED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"])
async def test_after_some_failures_the_driver_may_still_be_at_work(tmp_path: Path, code: str) -> None:
    async with asking(tmp_path / "s", refusing(code, "")) as driver:
        with pytest.raises(CsiFailure) as caught:
            await create(driver)
    assert not caught.value.is_final


async def test_a_driver_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    async def hang(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    async with asking(tmp_path / "s", (methods.CREATE_VOLUME, hang)) as driver:
        with pytest.raises(CsiFailure, match=r"CreateVolume: DEADLINE_EXCEEDED: no answer within 0\.2 seconds"):
            await create(driver, 0.2)


def hanging(begun: asyncio.Event) -> tuple[methods.Method, Handler]:
    async def hang(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    return methods.CREATE_VOLUME, hang


async def test_a_client_that_is_closed_under_a_call_fails_it_and_cancels_nobody(tmp_path: Path) -> None:
    begun = asyncio.Event()
    async with asking(tmp_path / "s", hanging(begun)) as driver:
        call = asyncio.ensure_future(create(driver))
        await begun.wait()
        await driver.close()
        await asyncio.wait([call])
        assert not call.cancelled()
        with pytest.raises(CsiFailure, match="CreateVolume: UNAVAILABLE: its registration at this node ended") as caught:
            call.result()
        assert not caught.value.is_final


async def test_a_client_that_is_closed_is_asked_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path / "s") as driver:
        await driver.close()
        with pytest.raises(CsiFailure, match="UNAVAILABLE"):
            await create(driver)


async def test_whoever_asks_can_be_cancelled(tmp_path: Path) -> None:
    begun = asyncio.Event()
    async with asking(tmp_path / "s", hanging(begun)) as driver:
        call = asyncio.ensure_future(create(driver))
        await begun.wait()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()


async def test_a_socket_without_a_driver_is_named(tmp_path: Path) -> None:
    driver = Driver("a.test", tmp_path / "none.sock")
    try:
        with pytest.raises(CsiFailure, match=r"UNAVAILABLE: nobody answers at .*/none\.sock"):
            await create(driver)
    finally:
        await driver.close()


async def test_a_driver_that_has_come_back_is_asked_again(tmp_path: Path) -> None:
    async def made(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        return csi.CreateVolumeResponse()

    driver = Driver("a.test", tmp_path / "s")
    try:
        async with serving(tmp_path / "s", [(methods.CREATE_VOLUME, made)]):
            await create(driver)
        async with serving(tmp_path / "s", [refusing("INTERNAL", "another")]):
            with pytest.raises(CsiFailure, match="another"):
                await create(driver)
    finally:
        await driver.close()


async def test_a_socket_may_lie_deep_below_a_long_home(tmp_path: Path) -> None:
    async def made(request: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        return csi.CreateVolumeResponse()

    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    short = Path(tempfile.mkdtemp(prefix="csi-")) / "link"
    short.symlink_to(deep)
    driver = Driver("a.test", deep / "csi.sock")
    try:
        async with serving(short / "csi.sock", [(methods.CREATE_VOLUME, made)]):
            await create(driver)
    finally:
        await driver.close()
        shutil.rmtree(short.parent)


async def test_capabilities_have_names_and_unknown_ones_are_left_out(tmp_path: Path) -> None:
    def one(number: int) -> csi.NodeServiceCapability:
        return csi.NodeServiceCapability(rpc=csi.NodeServiceCapability.RPC(type=number))  # type: ignore[arg-type]

    async def told(request: csi.NodeGetCapabilitiesRequest) -> csi.NodeGetCapabilitiesResponse:
        return csi.NodeGetCapabilitiesResponse(capabilities=[one(1), one(6), one(99)])

    async with asking(tmp_path / "s", (methods.NODE_GET_CAPABILITIES, told)) as driver:
        assert await capabilities.node(driver) == {"STAGE_UNSTAGE_VOLUME", "VOLUME_MOUNT_GROUP"}
