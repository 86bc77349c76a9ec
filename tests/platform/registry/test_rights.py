from pathlib import Path

from pilothouse.platform.registry.garbage import GarbageCollector
from pilothouse.platform.registry.server import RegistryConfig, RegistryServer
from pilothouse.platform.rights import REGISTRY
from tests.people import client_of, platform_part, refused_parts
from tests.platform.live import api_server_for_platform


async def test_the_collector_may_read_all_that_refers_to_images(tmp_path: Path) -> None:
    async with api_server_for_platform(tmp_path) as server:
        registry = RegistryServer(RegistryConfig(tmp_path / "registry", 1, tmp_path / "registry.log"))
        assert await GarbageCollector(client_of(server, platform_part(REGISTRY)), registry).collect() == 0
        assert not refused_parts(server)
