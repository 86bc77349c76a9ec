from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.backups import carried
from pilothouse.platform.databases.mysql.backups.archive import Told
from pilothouse.platform.databases.pattern.backups import labels
from pilothouse.platform.databases.resource import BACKUP_STORES, BACKUPS, MYSQLS
from tests.engine.controllers.conftest import Cluster
from tests.platform.databases.backups.live import backed_up, backup, make_instance, taken
from tests.platform.databases.live import says


def verified(status: str, reason: str) -> object:
    return lambda obj: [(meta.condition(obj, "Verified") or {}).get(each) for each in ("status", "reason")] == [status, reason]


async def message(cluster: Cluster, name: str, kind: str, reason: str) -> str:
    found = await cluster.until_one(BACKUPS, name, says(kind, reason))
    return str((meta.condition(found, kind) or {})["message"])


async def test_a_backup_is_taken_and_proven(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        instance = await make_instance(cluster)
        await cluster.create(BACKUPS, backup())
        found = await cluster.until_one(BACKUPS, "first", verified("True", "Restored"))
        status = found["status"]
        assert (status["phase"], status["member"], status["gtid"], status["bytes"]) == ("Succeeded", "orders-0", "0-1-5", 1000)
        assert (status["verified"]["tables"], status["verified"]["rows"]) == (3, 42)
        assert jobs.told("backup")["MEMBER_HOST"] == "orders-0.orders-members.default.svc"
        assert jobs.told("verify")["LOCATION"] == status["location"] == f"orders-{meta.uid(instance)}/backups/first-{meta.uid(found)[:8]}"
        await cluster.until(kinds.JOBS, lambda items: not items)
        assert (await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"].get("lastBackup")))["status"]["lastBackup"]


async def test_the_default_store_is_a_volume_with_a_key_that_stays(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup())
        await taken(cluster)
        store = await cluster.until_one(BACKUP_STORES, "default", lambda obj: (obj.get("status") or {}).get("backups") == 1)
        assert (meta.is_true(store, "Ready"), store["status"]["bytes"]) == (True, 1000)
        assert await cluster.get(kinds.PERSISTENTVOLUMECLAIMS, "default-backups") is not None
        key = await cluster.get(kinds.SECRETS, "default-key")
        # A claim that no volume is bound to yet does not grow.
        await cluster.patch(BACKUP_STORES, "default", {"spec": {"volume": {"size": "20Gi"}}})
        found = await cluster.until_one(BACKUP_STORES, "default", says("Ready", "Refused"))
        assert "default-backups" in (meta.condition(found, "Ready") or {})["message"]
        assert await cluster.get(kinds.SECRETS, "default-key") == key
        assert {volume["name"] for volume in jobs.of("backup")[0]["spec"]["volumes"]} == {
            "tmp",
            "program",
            "tls",
            "scratch",
            "store",
            "key",
        }


async def test_a_key_that_is_lost_is_not_replaced_while_something_is_sealed_with_it(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup("first", verify=False))
        await taken(cluster)
        key = await cluster.get(kinds.SECRETS, "default-key")
        await cluster.client.delete(kinds.SECRETS, "default-key", "default")
        await cluster.patch(BACKUP_STORES, "default", {"metadata": {"labels": {"look": "again"}}})
        found = await cluster.until_one(BACKUP_STORES, "default", says("Ready", "KeyLost"))
        assert "put it back" in (meta.condition(found, "Ready") or {})["message"]
        await cluster.create(BACKUPS, backup("second"))
        assert "put it back" in await message(cluster, "second", "Complete", "KeyLost")
        assert await cluster.get(kinds.SECRETS, "default-key") is None
        assert key is not None
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "default-key"}, "data": key["data"]})
        await cluster.patch(BACKUP_STORES, "default", {"metadata": {"labels": {"look": "once-more"}}})
        await taken(cluster, "second")


async def test_a_corrupted_backup_says_so_by_itself(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        jobs.ends["verify"] = (3, {"reason": "Corrupted", "message": "data in the store has been changed"})
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup())
        found = await cluster.until_one(BACKUPS, "first", verified("False", "Corrupted"))
        assert found["status"]["phase"] == "Succeeded"
        jobs.ends["verify"] = (0, {"reason": "", "tables": 1, "rows": 1})
        await cluster.patch(BACKUPS, "first", {"spec": {"verifyAt": "2026-12-01T00:00:00Z"}})
        await cluster.until_one(BACKUPS, "first", verified("True", "Restored"))


async def test_a_backup_that_fails_says_what_its_program_said(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        jobs.ends["backup"] = (3, {"reason": "StoreFull", "message": "the store's volume is full"})
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup())
        found = await cluster.until_one(BACKUPS, "first", lambda obj: (obj.get("status") or {}).get("phase") == "Failed")
        assert (found["status"]["reason"], found["status"]["message"]) == ("StoreFull", "the store's volume is full")
        assert len(jobs.of("backup")) == 1
        store = await cluster.until_one(BACKUP_STORES, "default", says("Ready", "StoreFull"))
        assert not meta.is_true(store, "Ready")


async def test_backups_of_one_instance_are_taken_one_after_the_other(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        end = jobs.ends.pop("backup")
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup("first", verify=False))
        await cluster.until_one(BACKUPS, "first", lambda obj: (obj.get("status") or {}).get("phase") == "Running")
        await cluster.create(BACKUPS, backup("second", verify=False))
        assert "waits for backup first" in await message(cluster, "second", "Complete", "Queued")
        jobs.ends["backup"] = end
        await cluster.client.delete(BACKUPS, "first", "default")
        await taken(cluster, "second")


async def test_a_suspended_instance_is_backed_up_when_it_is_resumed(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        await make_instance(cluster, phase="Suspended")
        await cluster.create(BACKUPS, backup())
        assert "resume it" in await message(cluster, "first", "Complete", "Suspended")
        await cluster.client.patch(MYSQLS, "orders", {"status": {"phase": "Online"}}, namespace="default", subresource="status")
        await taken(cluster)


async def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        await cluster.create(BACKUPS, backup("lost", "nothing"))
        assert await message(cluster, "lost", "Complete", "Failed") == "MySQL nothing does not exist"
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup("astray", store="elsewhere"))
        assert await message(cluster, "astray", "Complete", "NoStore") == "BackupStore elsewhere does not exist: make it"
        spec = {"volume": {}, "s3": {"endpoint": "https://s3.example.com", "bucket": "all", "secret": "s"}}
        await cluster.create(BACKUP_STORES, {"metadata": {"name": "elsewhere"}, "spec": spec})
        assert "exactly one of" in await message(cluster, "astray", "Complete", "InvalidStore")


async def test_a_deleted_backup_is_removed_from_its_store_first(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup("first", verify=False))
        location = (await taken(cluster))["status"]["location"]
        end = jobs.ends.pop("forget")
        await cluster.client.delete(BACKUPS, "first", "default")
        await cluster.until(kinds.PODS, lambda items: jobs.of("forget"))
        assert (jobs.told("forget")["LOCATION"], jobs.told("forget")["NEEDED"]) == (location, "")
        assert await cluster.get(BACKUPS, "first") is not None
        await cluster.set_pod(jobs.of("forget")[0], phase="Succeeded")
        await cluster.until(BACKUPS, lambda items: not items)
        assert end == (0, {})


async def test_a_new_instance_is_given_the_newest_backup(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        await make_instance(cluster)
        await cluster.create(BACKUPS, backup())
        source = await taken(cluster)
        copy = await make_instance(cluster, "copy", restore={"instance": "orders", "gtid": "0-1-9"})
        await cluster.until_one(MYSQLS, "copy", says("Restored", "Restored"))
        told = jobs.told("restore")
        assert (told["LOCATION"], told["GTID"], told["SEED"]) == (source["status"]["location"], "0-1-9", meta.uid(copy))
        assert told["MEMBER_HOST"] == "copy-0.copy-members.default.svc"
        assert (await cluster.get(MYSQLS, "copy"))["status"]["database"] == "orders"


async def test_a_copys_copy_has_the_first_database_of_the_first(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        await make_instance(cluster, "my-orders")
        await cluster.create(BACKUPS, backup("first", "my-orders"))
        await taken(cluster)
        await make_instance(cluster, "copy", restore={"backup": "first"})
        await cluster.until_one(MYSQLS, "copy", says("Restored", "Restored"))
        await cluster.client.patch(MYSQLS, "copy", {"status": {"seeded": "copy-0"}}, namespace="default", subresource="status")
        await cluster.create(BACKUPS, backup("second", "copy"))
        assert (await taken(cluster, "second"))["status"]["source"]["database"] == "my_orders"


async def test_a_backup_keeps_what_its_instance_was_like(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        resources = {"cpu": "200m", "memory": "300Mi"}
        await make_instance(cluster, parameters={"max_connections": "100"}, resources=resources, deletionProtection=False)
        await cluster.create(BACKUPS, backup())
        kept = carried.spec(await taken(cluster))
        assert (kept["parameters"], kept["resources"], kept["replicas"]) == ({"max_connections": "100"}, resources, 1)
        assert "deletionProtection" not in kept


async def test_a_restore_that_cannot_be_says_why(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, jobs):
        await make_instance(cluster, "copy", restore={"backup": "never"})
        found = await cluster.until_one(MYSQLS, "copy", says("Restored", "NoBackup"))
        assert (meta.condition(found, "Restored") or {})["message"] == "backup never does not exist"
        await make_instance(cluster)
        jobs.ends["restore"] = (3, {"reason": "OutsideLogs", "message": "the archive ends at 2026-01-01T00:00:00Z"})
        await cluster.create(BACKUPS, backup("never"))
        await cluster.until_one(MYSQLS, "copy", says("Restored", "OutsideLogs"))


async def test_an_archive_follows_as_long_as_it_is_wanted(tmp_path: Path) -> None:
    async with backed_up(tmp_path, Told(1_767_225_600_250_000, "", "")) as (cluster, jobs):
        jobs.ends.pop("backup")
        await make_instance(cluster, backup={"archive": True})
        found = await cluster.until_one(MYSQLS, "orders", says("Archiving", "Following"))
        assert found["status"]["archivedUntil"] == "2026-01-01T00:00:00.250000Z"
        deployment = await cluster.get(kinds.DEPLOYMENTS, "orders-archive")
        assert deployment is not None
        assert _account(deployment) == ["replication-password", "ca.crt"]
        await cluster.patch(MYSQLS, "orders", {"spec": {"suspended": True}})
        await cluster.until_one(kinds.DEPLOYMENTS, "orders-archive", lambda obj: obj["spec"]["replicas"] == 0)
        await cluster.until_one(MYSQLS, "orders", says("Archiving", "Suspended"))
        await cluster.patch(MYSQLS, "orders", {"spec": {"backup": {"archive": False}}})
        await cluster.until(kinds.DEPLOYMENTS, lambda items: not items)
        await cluster.until_one(MYSQLS, "orders", lambda obj: meta.condition(obj, "Archiving") is None)
        await cluster.patch(MYSQLS, "orders", {"spec": {"backup": {"archive": True}}})
        await cluster.until(kinds.DEPLOYMENTS, lambda items: items)
        await cluster.client.delete(MYSQLS, "orders", "default")
        await cluster.until(kinds.DEPLOYMENTS, lambda items: not items)


async def test_what_an_archive_has_lost_is_told_until_a_backup_begins_behind_it(tmp_path: Path) -> None:
    gap = Told(1_767_225_600_250_000, "", "", position="0-1-9", gap_after="0-1-2", gap_until="0-1-5")
    async with backed_up(tmp_path, gap) as (cluster, _):
        await make_instance(cluster, backup={"archive": True})
        found = await cluster.until_one(MYSQLS, "orders", says("Archiving", "Gap"))
        assert "between 0-1-2 and 0-1-5" in (meta.condition(found, "Archiving") or {})["message"]
        assert found["status"]["archivedThrough"] == "0-1-9"
        await cluster.until(kinds.EVENTS, lambda items: any(item["reason"] == "Gap" and item["type"] == "Warning" for item in items))
        await cluster.create(BACKUPS, backup())
        await cluster.until_one(MYSQLS, "orders", says("Archiving", "Following"))


async def test_scheduled_backups_are_kept_by_number(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        await make_instance(cluster, backup={"keep": {"count": 1}})
        for name in ("first", "second"):
            made = backup(name, verify=False)
            made["metadata"]["annotations"] = {labels.SCHEDULED: "2026-01-01T00:00:00Z"}
            await cluster.create(BACKUPS, made)
            await cluster.until(BACKUPS, lambda items, name=name: [each for each in items if meta.name(each) == name and _has_ended(each)])
        await cluster.until(BACKUPS, lambda items: len(items) == 1)


async def test_a_backup_is_made_when_the_schedule_says_so(tmp_path: Path) -> None:
    async with backed_up(tmp_path, later_s=120) as (cluster, _):
        await make_instance(cluster, backup={"schedule": "* * * * *"})
        found = await cluster.until(BACKUPS, lambda items: items)
        assert meta.annotations(found[0])[labels.SCHEDULED]


def _has_ended(obj: Object) -> bool:
    return (obj.get("status") or {}).get("phase") == "Succeeded"


async def test_what_has_the_name_of_an_archive_is_left_alone(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (cluster, _):
        labelled = {"app": "other", labels.INSTANCE: "orders"}
        template = {"metadata": {"labels": labelled}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": "other"}}, "template": template}
        await cluster.create(kinds.DEPLOYMENTS, {"metadata": {"name": "orders-archive", "labels": labelled}, "spec": spec})
        await make_instance(cluster, backup={"archive": True})
        await cluster.until_one(MYSQLS, "orders", says("Archiving", "NameTaken"))


def _account(deployment: Object) -> list[str]:
    """Keys of the Secret with the authority's key that reach the pod."""
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    return [item["key"] for each in volumes if each["name"] == "account" for item in each["secret"]["items"]]
