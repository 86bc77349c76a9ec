"""Variables that an init container leaves for the others, in real containers."""

import pytest

from pilothouse.model.json import Object
from tests.e2e.node.pods import Cluster, container, pod, shell, waits_for

pytestmark = pytest.mark.containers
VOLUMES: list[Object] = [{"name": "v", "emptyDir": {}}]


def leaves(script: str) -> Object:
    return shell(script, "init", volumeMounts=[{"name": "v", "mountPath": "/v"}])


def takes(**more: object) -> list[Object]:
    return [{"name": "X", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "vars", "key": "ADDRESS", **more}}}]


async def test_a_container_is_set_by_what_its_init_container_found_out(cluster: Cluster) -> None:
    wanted = pod("set", shell("echo $X; ls /v 2>&1", env=takes()), initContainers=[leaves("echo \"ADDRESS='a b'\" > /v/vars")])
    await cluster.finish(wanted | {"spec": wanted["spec"] | {"volumes": VOLUMES, "restartPolicy": "Never"}})
    assert await cluster.logs("set", container="main") == "a b\nls: /v: No such file or directory\n"


async def test_a_file_that_is_no_file_of_variables_is_said(cluster: Cluster) -> None:
    await cluster.create(pod("odd", shell(env=takes()), initContainers=[leaves("mkfifo /v/vars")], volumes=VOLUMES))
    found = await cluster.until("odd", waits_for("CreateContainerConfigError"))
    assert container(found)["state"]["waiting"]["message"] == 'file "vars" of volume "v" cannot be read: it is no regular file'
    await cluster.delete("odd", grace_s=0)
