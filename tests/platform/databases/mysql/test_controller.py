import asyncio
from pathlib import Path

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, tls
from pilothouse.platform.databases.resource import BACKUPS, MYSQLS
from tests.engine.controllers.conftest import Cluster
from tests.platform.databases.live import gone, instance, operated, says, serves

CLAIMS = kinds.PERSISTENTVOLUMECLAIMS


def online(obj: Object) -> bool:
    return serves(obj) and obj["status"]["phase"] == "Online"


async def message(cluster: Cluster, kind: str, reason: str) -> str:
    found = await cluster.until_one(MYSQLS, "orders", says(kind, reason))
    return str((meta.condition(found, kind) or {})["message"])


async def test_an_instance_becomes_all_that_serves_it(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance())
        status = (await cluster.until_one(MYSQLS, "orders", serves))["status"]
        assert (status["phase"], status["primary"], status["version"]) == ("Online", "orders-0", "10.11.18")
        assert (status["host"], status["port"], status["binding"]) == ("orders.default.svc", 3306, {"name": "orders"})
        for resource in (kinds.STATEFULSETS, kinds.SERVICES, kinds.SECRETS, kinds.NETWORKPOLICIES, kinds.PODDISRUPTIONBUDGETS):
            assert await cluster.get(resource, "orders") is not None
        pod = await cluster.until_one(kinds.PODS, "orders-0", lambda each: meta.labels(each).get(labels.ROLE))
        assert meta.labels(pod)[labels.ROLE] == "primary"
        assert meta.labels(pod)[labels.READABLE] == "yes"


async def test_the_secret_opens_what_the_primary_is_told_to_have(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance("my-shop"))
        await cluster.until_one(MYSQLS, "my-shop", serves)
        secret = tls.files(await cluster.get(kinds.SECRETS, "my-shop"))
        (account,) = nodes.agents["my-shop-0"].wanted["accounts"]
        assert (account["name"], account["password"]) == ("my_shop", secret["password"].decode())
        assert secret["uri"].decode() == f"mysql://my_shop:{account['password']}@my-shop.default.svc:3306/my_shop"


async def test_three_members_are_a_primary_and_two_that_follow_it(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance(replicas=3))
        status = (await cluster.until_one(MYSQLS, "orders", online))["status"]
        assert [each["role"] for each in status["members"]] == ["primary", "replica", "replica"]
        assert nodes.agents["orders-1"].wanted["source"] == {"host": "orders-0.orders-members.default.svc", "port": 3306}
        await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"].get("durable"))
        assert nodes.agents["orders-0"].wanted["semi_sync"]


async def test_a_suspended_instance_keeps_its_volumes_and_comes_back_with_its_data(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"suspended": True}})
        await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"]["phase"] == "Suspended")
        assert nodes.agents["orders-0"].orders[-1]["role"] == "stopped"
        assert await cluster.items(kinds.PODS) == []
        assert await cluster.get(CLAIMS, "data-orders-0") is not None
        await cluster.patch(MYSQLS, "orders", {"spec": {"suspended": False}})
        await cluster.until_one(MYSQLS, "orders", online)
        assert all(order["seed"] is None for order in nodes.agents["orders-0"].orders)


async def test_a_deleted_instance_that_is_protected_goes_on_and_says_how_it_would_go(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.client.delete(MYSQLS, "orders", "default", propagation="Foreground")
        assert "set spec.deletionProtection to false" in await message(cluster, "Deleting", "Protected")
        found = await cluster.until_one(MYSQLS, "orders", online)
        assert meta.finalizers(found) == [labels.FINALIZER]
        await cluster.patch(MYSQLS, "orders", {"spec": {"deletionProtection": False, "finalBackup": False}})
        await gone(cluster)


async def test_a_deleted_instance_takes_everything_with_it_after_a_last_backup(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        made = await cluster.create(MYSQLS, instance(deletionProtection=False))
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.client.delete(MYSQLS, "orders", "default")
        name = f"orders-final-{meta.uid(made)[:8]}"
        assert name in await message(cluster, "Deleting", "FinalBackup")
        backup = await cluster.until_one(BACKUPS, name, lambda each: meta.labels(each)[labels.FINAL] == "yes")
        assert await cluster.get(CLAIMS, "data-orders-0") is not None
        status = {"status": {"phase": "Succeeded"}}
        await cluster.client.patch(BACKUPS, meta.name(backup), status, namespace="default", subresource="status")
        await gone(cluster)
        for resource in (kinds.PODS, CLAIMS, kinds.STATEFULSETS, kinds.SECRETS, kinds.SERVICES, kinds.CONFIGMAPS):
            await cluster.until(
                resource, lambda items: not [each for each in items if meta.name(each).startswith(("orders", "data-orders"))]
            )
        assert await cluster.get(BACKUPS, name) is not None


async def test_the_primary_of_an_instance_that_goes_is_told_to_stop_and_waits_for_no_successor(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance(replicas=3, deletionProtection=False, finalBackup=False))
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.client.delete(MYSQLS, "orders", "default")
        await gone(cluster)
        last = nodes.agents["orders-0"].orders[-1]
        assert (last["role"], last["graceful"]) == ("stopped", True)


async def test_a_last_backup_that_fails_keeps_the_instance_and_says_why(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        made = await cluster.create(MYSQLS, instance(deletionProtection=False))
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.client.delete(MYSQLS, "orders", "default")
        name = f"orders-final-{meta.uid(made)[:8]}"
        await cluster.until_one(BACKUPS, name, lambda _: True)
        status = {"status": {"phase": "Failed", "message": "the store is full"}}
        await cluster.client.patch(BACKUPS, name, status, namespace="default", subresource="status")
        said = await message(cluster, "Deleting", "FinalBackupFailed")
        assert "the store is full" in said
        assert "spec.finalBackup" in said


async def test_a_namespace_that_goes_is_not_held_up(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(kinds.NAMESPACES, {"metadata": {"name": "shop"}})
        await cluster.create(MYSQLS, instance(), "shop")
        await cluster.until_one(MYSQLS, "orders", online, "shop")
        await cluster.client.delete(kinds.NAMESPACES, "shop")
        await cluster.until(kinds.NAMESPACES, lambda items: "shop" not in map(meta.name, items), namespace=None)


async def test_cpu_and_memory_grow_in_the_pod_that_runs(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        before = await cluster.get(kinds.PODS, "orders-0")
        await cluster.patch(MYSQLS, "orders", {"spec": {"resources": {"cpu": "1", "memory": "1Gi"}}})
        await cluster.until_one(MYSQLS, "orders", lambda obj: online(obj) and obj["status"]["members"][0]["memory"] == "1Gi")
        after = await cluster.get(kinds.PODS, "orders-0")
        assert (before or {})["metadata"]["uid"] == (after or {})["metadata"]["uid"]
        assert nodes.agents["orders-0"].wanted["server"]["memory_bytes"] == 1 << 30


async def test_memory_is_taken_from_a_pod_after_its_server_has_given_it_up(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance(resources={"memory": "1Gi"}))
        await cluster.until_one(MYSQLS, "orders", online)
        agent = nodes.agents["orders-0"]
        obey, agent.obey = agent.obey, lambda: agent.change(applied=False)  # type: ignore[method-assign]
        await cluster.patch(MYSQLS, "orders", {"spec": {"resources": {"memory": "512Mi"}}})
        await cluster.until_one(MYSQLS, "orders", says("Resized", "Resizing"))
        pod = await cluster.get(kinds.PODS, "orders-0")
        assert (pod or {})["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
        obey()
        await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"]["members"][0]["memory"] == "512Mi")


async def test_a_volume_that_cannot_grow_is_named_and_the_instance_goes_on(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance(size="1Gi"))
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"size": "2Gi"}})
        assert "data-orders-0" in await message(cluster, "Resized", "NoRoom")
        assert meta.is_true(await cluster.get(MYSQLS, "orders") or {}, "Ready")


async def test_a_volume_does_not_shrink(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance(size="1Gi"))
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"size": "512Mi"}})
        assert "never shrinks: use 1Gi or more" in await message(cluster, "Accepted", "InvalidSpec")
        found = await cluster.get(MYSQLS, "orders")
        assert meta.is_true(found or {}, "Ready")


async def test_what_carries_the_instances_name_and_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(kinds.SERVICES, {"metadata": {"name": "orders"}, "spec": {"ports": [{"port": 9999}]}})
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "other-tls"}, "stringData": {"a": "b"}})
        await cluster.create(MYSQLS, instance())
        assert "service orders exists and is not this instance's" in await message(cluster, "Accepted", "NameTaken")
        await cluster.create(MYSQLS, instance("other"))
        found = await cluster.until_one(MYSQLS, "other", says("Accepted", "NameTaken"))
        assert "secret other-tls" in (meta.condition(found, "Accepted") or {})["message"]
        assert await cluster.get(kinds.STATEFULSETS, "orders") is None
        assert await cluster.get(kinds.STATEFULSETS, "other") is None


async def test_the_data_of_an_earlier_instance_are_not_taken(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await cluster.create(CLAIMS, {"metadata": {"name": "data-orders-0"}, "spec": spec})
        await cluster.create(MYSQLS, instance())
        assert "claim data-orders-0" in await message(cluster, "Accepted", "NameTaken")


async def test_a_spec_that_cannot_work_is_said_and_changes_nothing(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"replicas": 2, "resources": {"memory": "1Gi"}}})
        assert "use 1, or 3 and more" in await message(cluster, "Accepted", "InvalidSpec")
        assert nodes.agents["orders-0"].wanted["server"]["memory_bytes"] == 512 << 20
        await cluster.patch(MYSQLS, "orders", {"spec": {"replicas": 1}})
        await cluster.until_one(MYSQLS, "orders", lambda obj: meta.is_true(obj, "Accepted"))


async def test_a_setting_that_the_server_refuses_is_named_and_not_told_to_it_again(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        agent = nodes.agents["orders-0"]
        agent.rejects = {"collation_server": "Unknown collation"}
        await cluster.patch(MYSQLS, "orders", {"spec": {"parameters": {"collation_server": "klingon", "wait_timeout": "60"}}})
        said = await message(cluster, "Accepted", "ParameterRefused")
        assert said.endswith("goes on without (Unknown collation): ph mysql params unset orders collation_server")
        tuned = await cluster.until_one(MYSQLS, "orders", is_tuned)
        assert tuned["status"]["refusedParameters"][0]["value"] == "klingon"
        async with asyncio.timeout(10):
            while agent.wanted["server"]["parameters"] != {"wait_timeout": "60"}:
                await asyncio.sleep(0.02)
        await cluster.patch(MYSQLS, "orders", {"spec": {"parameters": {"collation_server": None}}})
        await cluster.until_one(MYSQLS, "orders", lambda obj: is_tuned(obj) and meta.is_true(obj, "Accepted"))


def is_tuned(obj: Object) -> bool:
    return bool(obj["status"].get("tunedGeneration") == meta.generation(obj))


async def test_a_quota_that_leaves_no_room_is_named(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(kinds.RESOURCEQUOTAS, {"metadata": {"name": "small"}, "spec": {"hard": {"limits.memory": "256Mi"}}})
        await cluster.create(MYSQLS, instance())
        assert "exceeded quota: small" in await message(cluster, "Ready", "QuotaExceeded")


async def test_a_new_time_makes_the_member_anew_with_its_data(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        before = await cluster.get(kinds.PODS, "orders-0")
        await cluster.patch(MYSQLS, "orders", {"spec": {"restartedAt": "2026-11-30T12:00:00Z"}})
        await cluster.until_one(kinds.PODS, "orders-0", lambda pod: meta.uid(pod) != meta.uid(before or {}))
        found = await cluster.until_one(MYSQLS, "orders", online)
        assert found["status"]["restartedAt"] == "2026-11-30T12:00:00Z"
        assert all(order["seed"] is None for order in nodes.agents["orders-0"].orders)


async def test_replicas_are_made_anew_before_the_primary_which_hands_over_first(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance(replicas=3))
        await cluster.until_one(MYSQLS, "orders", lambda obj: online(obj) and obj["status"].get("durable"))
        before = {meta.uid(pod) for pod in await cluster.items(kinds.PODS)}
        await cluster.patch(MYSQLS, "orders", {"spec": {"restartedAt": "2026-11-30T12:00:00Z"}})
        await cluster.until(kinds.PODS, lambda pods: len(pods) == 3 and not {meta.uid(pod) for pod in pods} & before)
        found = await cluster.until_one(MYSQLS, "orders", online)
        assert found["status"]["primary"] != "orders-0"


async def test_members_that_are_too_many_go_and_leave_their_volumes(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance(replicas=3))
        await cluster.until_one(MYSQLS, "orders", lambda obj: online(obj) and obj["status"].get("durable"))
        await cluster.patch(CLAIMS, "data-orders-2", {"spec": {"volumeName": "bound"}})
        await cluster.patch(MYSQLS, "orders", {"spec": {"replicas": 1}})
        await cluster.until(kinds.PODS, lambda pods: [meta.name(pod) for pod in pods] == ["orders-0"])
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.until(CLAIMS, lambda found: "data-orders-1" not in map(meta.name, found), "no claim without a volume")
        assert await cluster.get(CLAIMS, "data-orders-2") is not None


async def test_a_named_client_may_connect_and_what_somebody_has_changed_is_put_right(tmp_path: Path) -> None:
    def lets_in(policy: Object) -> bool:
        return any({"podSelector": {"matchLabels": {"app": "report"}}} in rule["from"] for rule in policy["spec"]["ingress"])

    async with operated(tmp_path) as (cluster, _):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"access": {"clients": [{"labels": {"app": "report"}}]}}})
        await cluster.until_one(kinds.NETWORKPOLICIES, "orders", lets_in)
        await cluster.patch(kinds.SERVICES, "orders", {"spec": {"selector": {labels.ROLE: "replica"}}})
        await cluster.patch(kinds.PODDISRUPTIONBUDGETS, "orders", {"spec": {"maxUnavailable": 3}})
        await cluster.until_one(kinds.SERVICES, "orders", lambda found: found["spec"]["selector"][labels.ROLE] == "primary")
        await cluster.until_one(kinds.PODDISRUPTIONBUDGETS, "orders", lambda found: found["spec"]["maxUnavailable"] == 1)
