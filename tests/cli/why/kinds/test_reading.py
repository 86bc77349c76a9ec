from pilothouse.cli.why.look import look
from pilothouse.cli.why.target import kind_of
from pilothouse.client.client import Client
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from tests.cli.shop import NOW, metadata
from tests.client.fake_cluster import FakeCluster, FakeTransport


async def made(client: Client, resource: Resource, obj: Object) -> Object:
    return await client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **obj}, namespace="default")


def cluster() -> Client:
    return Client(FakeTransport(FakeCluster()))


def owner(kind: str, obj: Object) -> list[Object]:
    return [{"apiVersion": "v1", "kind": kind, "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"], "controller": True}]


async def test_a_cron_job_is_read_with_its_jobs_and_their_pods() -> None:
    client = cluster()
    cron = await made(client, kinds.CRONJOBS, {"metadata": {"name": "backup"}, "spec": {}})
    job = await made(client, kinds.JOBS, {"metadata": {"name": "backup-1", "ownerReferences": owner("CronJob", cron)}, "spec": {}})
    await made(client, kinds.JOBS, {"metadata": {"name": "other"}, "spec": {}})
    await made(client, kinds.PODS, {"metadata": {"name": "backup-1-x", "ownerReferences": owner("Job", job)}, "spec": {}})
    scene = await look(client, "CronJob", "backup", "default", NOW, [])
    assert [each["metadata"]["name"] for each in (*scene.jobs, *scene.pods)] == ["backup-1", "backup-1-x"]


async def test_a_claim_is_read_with_the_pods_that_mount_it_and_still_run() -> None:
    client = cluster()
    await made(client, kinds.PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "data"}, "spec": {}})
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    for name, phase, mounted in (("db-0", "Running", volumes), ("done", "Succeeded", volumes), ("web", "Running", [])):
        await made(client, kinds.PODS, {"metadata": {"name": name}, "spec": {"volumes": mounted}, "status": {"phase": phase}})
    scene = await look(client, "PersistentVolumeClaim", "data", "default", NOW, [])
    assert [each["metadata"]["name"] for each in scene.pods] == ["db-0"]


async def test_a_budget_is_read_with_the_pods_that_it_counts() -> None:
    client = cluster()
    await made(client, kinds.PODDISRUPTIONBUDGETS, {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "db"}}}})
    for name in ("db", "web"):
        await made(client, kinds.PODS, {"metadata": {"name": name, "labels": {"app": name}}, "spec": {}})
    scene = await look(client, "PodDisruptionBudget", "b", "default", NOW, [])
    assert [each["metadata"]["name"] for each in scene.pods] == ["db"]


async def test_a_bare_name_that_is_no_apps_is_that_of_the_first_object_that_has_it() -> None:
    client = cluster()
    await made(client, kinds.PODS, {"metadata": metadata("redis-0", "p"), "spec": {}})
    await made(client, kinds.PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "redis-0"}, "spec": {}})
    assert await kind_of(client, "redis-0", "default") == "Pod"
    assert await kind_of(client, "nothing", "default") == "App"
