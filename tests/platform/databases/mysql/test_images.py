"""What is said of an instance while its image is made and pulled."""

import asyncio
from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.oci.packages.programs import Image
from pilothouse.platform.databases.mysql import trouble
from pilothouse.platform.databases.mysql.images import Asked
from pilothouse.platform.databases.resource import MYSQLS
from tests.platform.databases.live import IMAGE, instance, nodes_of, operator, says, serves


async def test_an_image_that_is_being_made_is_named_until_it_is_there(tmp_path: Path) -> None:
    made, asked = asyncio.Event(), []

    async def slow(wanted: Asked) -> Image:
        asked.append(wanted.flavour)
        await made.wait()
        return IMAGE

    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes, image=slow):
        await cluster.create(MYSQLS, instance())
        found = await cluster.until_one(MYSQLS, "orders", says("Ready", "MakingImage"))
        assert found["status"]["phase"] == "Creating"
        await asyncio.sleep(2.5)
        found = await cluster.get(MYSQLS, "orders") or {}
        assert says("Ready", "MakingImage")(found)
        made.set()
        await cluster.until_one(MYSQLS, "orders", serves)
        assert len(asked) == 1


async def test_an_image_that_a_node_pulls_is_named(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes):
        nodes.holds = lambda name: True
        await cluster.create(MYSQLS, instance())
        pod = await cluster.until_one(kinds.PODS, "orders-0", lambda _: True)
        waits = {"name": "database", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        waits["state"] = {"waiting": {"reason": "ContainerCreating"}}
        await cluster.set_pod(pod, phase="Pending", containerStatuses=[waits])
        about = {"kind": "Pod", "name": "orders-0", "namespace": "default", "uid": meta.uid(pod)}
        event = {"metadata": {"name": "pulling"}, "involvedObject": about, "reason": "Pulling", "type": "Normal", "message": "Pulling"}
        await cluster.create(kinds.EVENTS, event)
        found = await cluster.until_one(MYSQLS, "orders", says("Ready", "PullingImage"))
        said = (meta.condition(found, "Ready") or {})["message"]
        assert said == f"orders-0 waits for the image {IMAGE.reference}, which is being pulled"


NAMED = Image(f"registry.example/mariadb@sha256:{'a' * 64}", "10.11.18")
OLDER = Image(f"registry.example/mariadb@sha256:{'b' * 64}", "10.6.20")


async def test_an_image_that_is_named_is_run_by_its_digest_and_one_that_cannot_read_the_data_is_not(tmp_path: Path) -> None:
    async def found(asked: Asked) -> Image:
        return OLDER if asked.image.endswith(":10.6") else NAMED

    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes, image=found):
        await cluster.create(MYSQLS, instance(image="registry.example/mariadb:10.11"))
        status = (await cluster.until_one(MYSQLS, "orders", serves))["status"]
        assert (status["image"], status["imageAsked"]) == (NAMED.reference, "registry.example/mariadb:10.11")
        await cluster.until_one(MYSQLS, "orders", lambda each: each["status"]["dataVersion"] == "10.11.18")
        await cluster.patch(MYSQLS, "orders", {"spec": {"image": "registry.example/mariadb:10.6"}})
        refused = await cluster.until_one(MYSQLS, "orders", says("Healthy", "NoImage"))
        assert "version 10.6.20 is older than 10.11.18, whose files it cannot read" in (meta.condition(refused, "Healthy") or {})["message"]
        assert serves(refused)
        assert refused["status"]["image"] == NAMED.reference


def test_a_pod_that_runs_waits_for_no_image() -> None:
    pod = {"metadata": {"uid": "u"}, "status": {"containerStatuses": [{"state": {"running": {}}}, {"state": {}}]}}
    assert not trouble.is_new(pod)
