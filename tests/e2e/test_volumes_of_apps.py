"""Files of an app that outlive its replicas, its deploys and the app itself, in real containers."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.images.archive import load_archive, write_archive
from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
SHOP = {
    "apiVersion": "apps.pilothouse.dev/v1",
    "kind": "App",
    "metadata": {"name": "shop"},
    "spec": {"port": 0, "command": ["/bin/busybox", "sh", "-c", "trap exit TERM; while :; do sleep 0.2; done"]},
}


@pytest.fixture
def shop(instance: Instance, namespace: str, busybox: str) -> Iterator["Shop"]:
    instance.load_image(busybox)
    made = Shop(instance, namespace, busybox)
    yield made
    instance.ph("delete", "shop", "-n", namespace, "--volumes", "--yes", check=False)


class Shop:
    """An app of an image with a shell, which does nothing."""

    def __init__(self, instance: Instance, namespace: str, image: str) -> None:
        self.instance = instance
        self.namespace = namespace
        self.image = image

    def deploy(self, *options: str) -> str:
        """What is said for people."""
        spec = SHOP["spec"] | {"image": self.image}  # type: ignore[operator]
        if self.instance.kubectl("get", "app", "shop", "-n", self.namespace, check=False).returncode:
            self.instance.kubectl("apply", "-n", self.namespace, "-f", "-", input=json.dumps(SHOP | {"spec": spec | {"replicas": 0}}))
        deploy = ("deploy", "--image", self.image, "--name", "shop", "-n", self.namespace, "--replicas", "1")
        return self.instance.ph(*deploy, *options).stderr

    def sh(self, script: str) -> str:
        return self.instance.ph("exec", "-n", self.namespace, "shop", "/bin/busybox", "sh", "-c", script).stdout

    def ph(self, *words: str, check: bool = True) -> tuple[str, str]:
        done = self.instance.ph(*words, "-n", self.namespace, check=check)
        return done.stdout, done.stderr


def test_what_an_app_writes_to_its_volume_outlives_replicas_deploys_and_the_app(shop: Shop) -> None:
    assert "volume data of shop is made: 64Mi at /data" in shop.deploy("--volume", "data:/data:64Mi")
    assert "1000" in shop.sh("id -G").split()
    assert shop.sh("stat -c %g:%a /data") == "1000:2777\n"
    shop.sh("echo one > /data/file")
    shop.deploy("-e", "ROUND=2")
    assert shop.sh("cat /data/file; ls -A /data") == "one\nfile\n"
    shop.instance.kubectl("delete", "pod", "-n", shop.namespace, "-l", "apps.pilothouse.dev/app=shop", "--grace-period=0", "--force")
    look = ("exec", "-n", shop.namespace, "shop", "/bin/busybox", "cat", "/data/file")
    eventually(lambda: shop.instance.ph(*look, check=False).stdout == "one\n", 60, 0.5)
    shop.sh("dd if=/dev/zero of=/data/zeros bs=1M count=8 2>/dev/null; sync")
    used = eventually(lambda: json.loads(shop.ph("volumes", "-o", "json")[0])[0].get("usedBytes"), 30, 1)
    assert 8 << 20 <= used < 32 << 20
    _, refused = shop.ph("scale", "shop=2", check=False)
    assert "shop cannot have 2 replicas of web, which would write over each other's files in volume data" in refused

    assert "volume shop/data is kept" in shop.ph("delete", "shop", "--yes")[1]
    (kept,) = json.loads(shop.ph("volumes", "-o", "json")[0])
    assert (kept["name"], kept["state"], kept["size"]) == ("shop/data", "Kept", "64Mi")
    assert "volume data of shop is there already (64Mi" in shop.deploy("--volume", "data:/data")
    assert shop.sh("cat /data/file") == "one\n"

    assert "shop mounts volume shop/data" in shop.ph("volumes", "delete", "shop/data", "--yes", check=False)[1]
    assert "volume shop/data is removed" in shop.ph("delete", "shop", "--volumes", "--yes")[0]
    assert shop.ph("volumes", "-o", "json")[0].strip() == "[]"


@pytest.mark.slow
def test_a_volume_is_taken_out_by_going_back_and_given_again_with_what_is_in_it(shop: Shop) -> None:
    shop.deploy()
    shop.deploy("--volume", "data:/data:16Mi")
    shop.sh("echo one > /data/file")
    assert "volume data is taken out of shop; what is in it stays" in shop.ph("rollback", "shop")[1]
    assert shop.sh("ls /data 2>&1 || true") != "file\n"
    assert "volume data of shop is to have 32Mi instead of 16Mi" not in shop.deploy("--volume", "data:/data:32Mi")
    assert shop.sh("cat /data/file") == "one\n"
    claim = ("pvc", "shop-data", "-n", shop.namespace)
    eventually(lambda: shop.instance.get(*claim)["status"]["capacity"]["storage"] == "32Mi", 60)


@pytest.mark.slow
def test_a_volume_without_room_ends_the_deploy_with_the_cause(shop: Shop, tmp_path: Path) -> None:
    shop.deploy()
    _, said = shop.ph("deploy", "--image", shop.image, "--name", "shop", "--volume", "data:/data:900Ti", check=False)
    assert "claim shop-data gets no volume" in said.splitlines()[-1]
    assert "revision 1" in said.splitlines()[-1]
    assert shop.sh("echo runs") == "runs\n"


def test_an_empty_volume_begins_with_what_the_image_has_there_and_a_user_of_its_own_can_write(shop: Shop) -> None:
    name = f"docker.io/test/files-{shop.namespace}:1"
    archive = shop.instance.home / "files.tar"
    files = {"bin/busybox": Path(shutil.which("busybox") or "").read_bytes(), "srv/files/seed": b"of the image\n"}
    write_archive(archive, name, files, {"bin/sh": "busybox"}, {"Cmd": ["sh"], "Env": ["PATH=/bin"], "User": "1234:1234"})
    asyncio.run(load_archive(shop.instance.home / "node" / "containerd" / "containerd.sock", archive))
    shop.image = name
    shop.deploy("--volume", "files:/srv/files:64Mi", "--volume", "empty:/srv/other:16Mi")
    assert shop.sh("cat /srv/files/seed; id -u") == "of the image\n1234\n"
    shop.sh("rm -f /srv/files/seed; echo two > /srv/files/own; echo three > /srv/other/own")
    shop.deploy("-e", "ROUND=2")
    assert shop.sh("cd /srv/files; busybox ls -A; busybox cat /srv/other/own") == "own\nthree\n"


COMPOSE = """
services:
  reader:
    image: {image}
    command: &runs [/bin/busybox, sh, -c, "trap exit TERM; while :; do sleep 0.2; done"]
    volumes: ["shared_files:/seen:ro", "./here:/there"]
    depends_on: [writer]
  writer:
    image: {image}
    command: *runs
    volumes: [{{source: shared_files, target: /files}}]
volumes: {{shared_files: {{x-size: 16Mi}}}}
"""


@pytest.mark.slow
def test_services_of_a_compose_file_share_a_named_volume(instance: Instance, namespace: str, busybox: str, tmp_path: Path) -> None:
    def sh(app: str, script: str) -> str:
        return instance.ph("exec", "-n", namespace, app, "/bin/busybox", "sh", "-c", script).stdout

    instance.load_image(busybox)
    (tmp_path / "compose.yaml").write_text(COMPOSE.format(image=busybox))
    said = instance.ph("compose", "up", str(tmp_path), "-n", namespace).stderr
    assert "volume shared_files is shared by writer and reader, which run on one node for that" in said
    assert "./here is a folder or file of this machine, which replicas cannot have" in said
    sh("writer", "echo one > /files/file")
    assert sh("reader", "cat /seen/file; touch /seen/x 2>&1 | grep -o 'Read-only file system'") == "one\nRead-only file system\n"
    again = instance.ph("compose", "up", str(tmp_path), "-n", namespace).stderr
    assert again.count("nothing has changed") == 2
    left = instance.ph("delete", "writer", "-n", namespace, "--volumes", "--yes").stderr
    assert "volume writer/shared-files stays: reader mounts it as well" in left
    assert sh("reader", "cat /seen/file") == "one\n"
    instance.ph("delete", "reader", "-n", namespace, "--yes")
    assert "volume writer/shared-files is removed" in instance.ph("volumes", "delete", "writer/shared-files", "-n", namespace, "-y").stdout
