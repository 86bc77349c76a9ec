"""How a new program of the agents comes to members that run, and to those that cannot."""

import base64
from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.objects import programs
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import Cluster
from tests.platform.databases.live import PROGRAM, instance, nodes_of, operated, operator, serves

NEWER = b"PK newer agent"


def online(obj: Object) -> bool:
    return serves(obj) and obj["status"]["phase"] == "Online"


def carries(program: bytes) -> Object:
    return {programs.FILE: base64.b64encode(program).decode()}


def message(obj: Object) -> str:
    return str(obj["status"]["members"][0]["message"])


async def uids(cluster: Cluster) -> dict[str, str]:
    return {meta.name(pod): meta.uid(pod) for pod in await cluster.items(kinds.PODS)}


async def test_a_new_program_takes_the_place_of_the_old_one_and_no_pod_is_made_anew(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes):
        async with operator(server, nodes):
            await cluster.create(MYSQLS, instance())
            await cluster.until_one(MYSQLS, "orders", online)
            before = await uids(cluster)
            agent = nodes.agents["orders-0"]
            agent.change(agent=programs.version(PROGRAM))
        async with operator(server, nodes, program=NEWER):
            found = await cluster.until_one(kinds.CONFIGMAPS, "orders-agent", lambda each: each["binaryData"] == carries(NEWER))
            assert not found.get("immutable")
            await cluster.until_one(MYSQLS, "orders", lambda obj: "has yet to take the platform's new program" in message(obj))
            agent.change(agent=programs.version(NEWER))
            await cluster.until_one(MYSQLS, "orders", lambda obj: online(obj) and not message(obj))
            assert await uids(cluster) == before


async def test_an_agent_that_starts_anew_may_be_silent_for_seconds_before_no_service_leads_to_its_server(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance())
        found = await cluster.until_one(kinds.STATEFULSETS, "orders", lambda each: True)
        (agent,) = (each for each in found["spec"]["template"]["spec"]["containers"] if "readinessProbe" in each)
        assert agent["readinessProbe"]["failureThreshold"] * agent["readinessProbe"]["periodSeconds"] >= 10


async def test_members_of_an_older_shape_whose_agents_crash_are_made_anew_though_none_is_well(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance(replicas=3))
        await cluster.until_one(MYSQLS, "orders", online)
        before = await uids(cluster)
        for name in before:
            await cluster.patch(kinds.PODS, name, {"metadata": {"annotations": {labels.STATE: "older"}}})
            await nodes.crash(name)
        await cluster.until(kinds.PODS, lambda items: len(items) == 3 and not {meta.uid(pod) for pod in items} & {*before.values()})
        await cluster.until_one(MYSQLS, "orders", online)


async def test_a_config_map_that_no_pod_mounts_any_more_goes_and_a_strangers_stays(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        made = await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        own = labels.metadata(made, "orders-agent-0123456789")
        await cluster.create(kinds.CONFIGMAPS, {"metadata": {"name": "notes", "labels": own["labels"]}})
        await cluster.create(kinds.CONFIGMAPS, {"metadata": own})
        await cluster.until(kinds.CONFIGMAPS, lambda items: "orders-agent-0123456789" not in map(meta.name, items))
        assert await cluster.get(kinds.CONFIGMAPS, "notes") is not None
