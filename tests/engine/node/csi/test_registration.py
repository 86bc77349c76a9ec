"""How drivers make themselves known: the protocol of the stock node-driver-registrar, with sockets that come, go and come again."""

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.engine.node.config import KUBELET, NodeConfig
from pilothouse.engine.node.csi import registration
from pilothouse.engine.node.csi.drivers import Drivers
from pilothouse.engine.node.csi.registration import Registrations, sockets
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.csi_driver.registrar import Registrar


@pytest.fixture
def folder() -> Iterator[Path]:
    """Its name is short: a socket's path has about a hundred characters at most."""
    made = Path(tempfile.mkdtemp(prefix="csi-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "LOOK_S", 0.05)


@dataclass
class Watched:
    config: NodeConfig
    drivers: Drivers
    changes: list[list[str]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.config.registrations_dir / "folders.test-reg.sock"

    def endpoint(self, name: str = "folders.test") -> str:
        return f"{KUBELET}/plugins/{name}/csi.sock"

    def names(self) -> list[str]:
        return [each.name for each in self.drivers.all()]


@pytest.fixture
async def watched(folder: Path) -> AsyncIterator[Watched]:
    config = NodeConfig(home=folder, node_name="n1", instance="pilothouse-test")
    config.registrations_dir.mkdir(parents=True)
    made = Watched(config, Drivers(config))
    watcher = Registrations(config, made.drivers, lambda: made.changes.append(made.names()), time.monotonic)
    task = asyncio.get_running_loop().create_task(watcher.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def driver(watched: Watched, options: Options | None = None) -> AsyncIterator[FolderDriver]:
    made = FolderDriver(watched.config.home / "driver", options)
    async with made.at(watched.config.on_node(watched.endpoint(made.options.name))):
        yield made


async def until(holds: Callable[[], object]) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never held")


async def test_a_driver_is_known_as_long_as_its_registrar_is_there(watched: Watched) -> None:
    registrar = Registrar("folders.test", watched.endpoint())
    async with driver(watched, Options(node_id="id-1", topology={"zone": "a"}, max_volumes=7)):
        async with registrar.at(watched.socket):
            await until(lambda: registrar.told)
            (found,) = watched.drivers.all()
            assert (registrar.told, found.node_id, found.topology, found.max_volumes) == ([""], "id-1", {"zone": "a"}, 7)
        await until(lambda: not watched.names())
    assert watched.changes == [["folders.test"], []]


async def test_a_driver_in_a_pod_is_told_paths_as_it_sees_them(watched: Watched) -> None:
    registrar = Registrar("folders.test", watched.endpoint())
    async with driver(watched), registrar.at(watched.socket):
        await until(lambda: registrar.told)
        (found,) = watched.drivers.all()
        assert watched.drivers.path_for(found, watched.config.pod_dir("u") / "mount") == "/var/lib/kubelet/pods/u/mount"


async def test_a_driver_of_the_machine_is_told_paths_of_the_machine(watched: Watched) -> None:
    registrar = Registrar("folders.test", str(watched.config.on_node(watched.endpoint())))
    async with driver(watched), registrar.at(watched.socket):
        await until(lambda: registrar.told)
        (found,) = watched.drivers.all()
        assert watched.drivers.path_for(found, watched.config.pod_dir("u")) == str(watched.config.pod_dir("u"))


async def test_a_registrar_that_was_made_anew_is_asked_anew(watched: Watched) -> None:
    registrar = Registrar("folders.test", watched.endpoint())
    async with driver(watched):
        for _ in range(2):
            async with registrar.at(watched.socket):
                await until(lambda: watched.names())
                await until(lambda: registrar.told)
                registrar.told.clear()
    await until(lambda: not watched.names())


@pytest.mark.parametrize(
    ("registrar", "why"),
    [
        (Registrar("gpu.test", "", type="DevicePlugin"), "no handler registered for plugin type: DevicePlugin"),
        (Registrar("folders.test", "", versions=("0.3.0",)), "supports version 0.3.0"),
        (Registrar("Not a name", ""), "is no name of a driver"),
        (Registrar("folders.test", "relative/csi.sock"), "no absolute path"),
        (Registrar("folders.test", "/var/lib/kubelet/../../../etc/csi.sock"), "no absolute path"),
        (Registrar("folders.test", f"{KUBELET}/plugins/none/csi.sock"), "nobody answers at"),
    ],
)
async def test_what_is_not_taken_is_told_why(watched: Watched, registrar: Registrar, why: str) -> None:
    async with registrar.at(watched.socket):
        await until(lambda: registrar.told)
    assert why in registrar.told[0]
    assert watched.names() == []


async def test_a_driver_that_fails_at_first_is_tried_again(watched: Watched) -> None:
    registrar = Registrar("folders.test", watched.endpoint())
    async with driver(watched) as made:
        made.faults.set("NodeGetInfo", Fault("UNAVAILABLE", "not ready yet", times=1))
        async with registrar.at(watched.socket):
            await until(lambda: watched.names())
        assert "not ready yet" in registrar.told[0]


async def test_a_driver_that_hangs_holds_up_no_other(watched: Watched) -> None:
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(driver(watched, Options(name="a.slow")))
        slow.faults.set("NodeGetInfo", Fault(hang_s=60))
        quick = FolderDriver(watched.config.home / "quick", Options(name="b.quick"))
        await stack.enter_async_context(quick.at(watched.config.on_node(watched.endpoint("b.quick"))))
        for name in ("a.slow", "b.quick"):
            registrar = Registrar(name, watched.endpoint(name))
            await stack.enter_async_context(registrar.at(watched.config.registrations_dir / f"{name}.sock"))
        await until(lambda: watched.names() == ["b.quick"])


async def test_the_end_of_an_older_registrar_does_not_make_its_drivers_successor_forgotten(watched: Watched) -> None:
    older, newer = (Registrar("folders.test", watched.endpoint()) for _ in range(2))
    async with driver(watched):
        async with older.at(watched.socket):
            await until(lambda: older.told)
            task = newer.at(watched.config.registrations_dir / "newer.sock")
            await task.__aenter__()
            await until(lambda: newer.told)
        await asyncio.sleep(0.3)
        assert watched.names() == ["folders.test"]
        await task.__aexit__(None, None, None)
        await until(lambda: not watched.names())


def test_links_files_and_hidden_sockets_are_no_registrations(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "link").symlink_to("/run/docker.sock")
    (folder / "sub").mkdir()
    for name in ("a.sock", ".hidden.sock", "sub/b.sock"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(folder / name))
    assert sorted(each.name for each in sockets(folder)) == ["a.sock", "b.sock"]
