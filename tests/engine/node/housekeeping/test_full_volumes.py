"""Claims whose volumes are nearly full are told so, once for each time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mount_memory, unmount
from pilothouse.engine.node.housekeeping.full_volumes import FullVolumes
from pilothouse.engine.node.local_volumes import image
from pilothouse.engine.node.volumes.claimed import KIND
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from tests.engine.controllers.conftest import api_server, held
from tests.engine.controllers.persistentvolume.objects import claim, fresh
from tests.people import ADMIN, client_of

pytestmark = pytest.mark.skipif(bool(image.missing()), reason="mounting needs root")


class Heard(Recorder):
    def __init__(self) -> None:
        super().__init__(None, None, "kubelet")
        self.said: list[tuple[str, str, str]] = []

    def say(self, obj: Object, type: str, reason: str, message: str, *, field_path: str = "", **facts: object) -> None:
        self.said.append((obj["kind"], meta.name(obj), message))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with held(api_server(tmp_path, tmp_path)) as found:
        yield found


async def test_a_full_volume_is_said_of_its_claim_and_pod_until_it_has_room(server: ApiServer, tmp_path: Path) -> None:
    client, heard = client_of(server, ADMIN), Heard()
    await client.create(PERSISTENTVOLUMECLAIMS, fresh(claim("data")))
    config = NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test")
    volumes = [
        {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "folder", "persistentVolumeClaim": {"claimName": "x"}},
    ]
    pod: Object = {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {"volumes": volumes}}
    folder = config.pod_dir("u") / "volumes" / KIND / "v"
    folder.mkdir(parents=True)
    (folder.parent / "folder").mkdir()
    full = FullVolumes(config, client, heard)
    mount_memory(folder, "size=1m")
    try:
        await full.look([pod])
        assert heard.said == []
        (folder / "big").write_bytes(b"x" * (1 << 20))
        await full.look([pod])
        await full.look([pod])
        assert [each[:2] for each in heard.said] == [("Pod", "web"), ("PersistentVolumeClaim", "data")]
        assert "the volume of claim data is full: 100% of it is used" in heard.said[0][2]
        (folder / "big").unlink()
        await full.look([pod])
        (folder / "big").write_bytes(b"x" * (1 << 20))
        await full.look([pod])
        assert len(heard.said) == 4
    finally:
        unmount(folder)
    await full.look([pod])
    await full.look([])
