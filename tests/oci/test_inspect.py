"""Images of a registry, looked at by skopeo."""

import shutil
import tarfile
from pathlib import Path

import pytest

from pilothouse.oci.inspect import InspectError, digest_of, inspect, pinned
from pilothouse.oci.registry import Registry
from tests.platform.registry.live import running

DIGEST = f"sha256:{'a' * 64}"
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


@pytest.mark.parametrize("reference", ["r.example:5000/a/b:1.2", "r.example:5000/a/b", f"r.example:5000/a/b:1.2@{DIGEST}"])
def test_an_image_is_pinned_by_its_digest(reference: str) -> None:
    assert pinned(reference, DIGEST) == f"r.example:5000/a/b@{DIGEST}"
    assert digest_of(pinned(reference, DIGEST)) == DIGEST


@needs_skopeo
async def test_an_image_says_its_digest_its_variables_and_its_labels(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w"):
        pass
    async with running(tmp_path) as server, Registry(server.config.address) as registry:
        config = {"Env": ["MYSQL_VERSION=8.4.7-1.el9"], "Labels": {"a": "b"}}
        digest = await registry.push_image("db", "8.4", tmp_path / "rootfs.tar", config)
        for reference in ("db:8.4", f"db@{digest}", f"db:8.3@{digest}"):
            found = await inspect(f"{server.config.address}/{reference}", plain=True)
            assert found.reference == f"{server.config.address}/db@{digest}"
            assert (found.env["MYSQL_VERSION"], found.labels) == ("8.4.7-1.el9", {"a": "b"})
        with pytest.raises(InspectError, match=r"^its registry has no such image$"):
            await inspect(f"{server.config.address}/db:8.5", plain=True)


@needs_skopeo
async def test_a_registry_that_is_not_there_is_said() -> None:
    with pytest.raises(InspectError, match="connection refused"):
        await inspect("127.0.0.1:1/db:8.5", plain=True)
