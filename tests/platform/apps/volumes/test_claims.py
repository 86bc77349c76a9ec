"""An app's life with volumes: claims are made and grow, outlive the app, and have one writer unless they can have several."""

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.platform.apps.life import AROUND, Life, app

DATA = {"path": "/data"}


def life(**spec: Any) -> Life:
    found = Life(app(image="web:1", **spec))
    found.settle()
    return found


def claim(found: Life, name: str = "shop-data") -> Object:
    return found.objects["PersistentVolumeClaim", name]


def bound(found: Life, name: str = "shop-data") -> None:
    has = claim(found, name)["spec"]["resources"]["requests"]["storage"]
    claim(found, name)["status"] = {"phase": "Bound", "capacity": {"storage": has}}


def pod(found: Life, name: str = "shop") -> Object:
    spec: Object = found.objects["Deployment", name]["spec"]["template"]["spec"]
    return spec


def strategy(found: Life, name: str = "shop") -> str:
    return str(found.objects["Deployment", name]["spec"]["strategy"]["type"])


def ready(found: Life) -> str:
    return (meta.condition(found.app, "Ready") or {})["message"]


def foreign(found: Life, name: str, **spec: Any) -> None:
    found.objects["PersistentVolumeClaim", name] = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec},
    }


def test_a_volume_is_a_claim_without_an_owner_that_the_pods_mount() -> None:
    found = life(volumes={"data": DATA | {"size": "2G"}})
    made = claim(found)
    assert made["spec"] == {"resources": {"requests": {"storage": "2G"}}, "accessModes": ["ReadWriteOnce"]}
    assert "ownerReferences" not in made["metadata"]
    assert meta.labels(made)["app.kubernetes.io/name"] == "shop"
    assert pod(found)["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "shop-data"}}]
    assert pod(found)["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data", "subPath": "data"}]
    assert pod(found)["securityContext"]["fsGroup"] == 1000


def test_an_app_without_volumes_has_the_pods_that_it_had() -> None:
    """Its state, by which a Deployment is compared, is as before there were volumes: an upgrade replaces no replica."""
    state = life().objects["Deployment", "shop"]["spec"]["template"]["metadata"]["annotations"]
    assert state == {"apps.pilothouse.dev/state": "93759dec2c"}


def test_an_unstated_size_is_a_gibibyte_at_first_and_then_what_it_is() -> None:
    found = life(volumes={"data": DATA})
    assert claim(found)["spec"]["resources"]["requests"]["storage"] == "1Gi"
    found.change(volumes={"data": DATA | {"size": "3Gi"}})
    found.settle()
    found.change(volumes={"data": DATA})
    found.settle()
    assert claim(found)["spec"]["resources"]["requests"]["storage"] == "3Gi"


def test_a_raised_size_lets_the_claim_grow_and_replaces_no_replica() -> None:
    found = life(volumes={"data": DATA})
    before = found.objects["Deployment", "shop"]["metadata"]["generation"]
    found.change(volumes={"data": DATA | {"size": "2Gi"}})
    found.settle()
    assert claim(found)["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert found.objects["Deployment", "shop"]["metadata"]["generation"] == before
    assert len(found.of("ControllerRevision")) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": "500Mi"}, "volume data of shop has 2Gi and volumes never become smaller: leave the size out, or ask for more than 2Gi"),
        ({"accessMode": "ReadWriteMany"}, "volume data of shop is ReadWriteOnce for good, not ReadWriteMany"),
        ({"storageClass": "fast"}, "is of storage class local for good, not fast"),
    ],
)
def test_what_a_claim_cannot_become_is_refused_and_what_runs_goes_on(change: Object, said: str) -> None:
    found = life(volumes={"data": DATA | {"size": "2Gi"}})
    bound(found)
    claim(found)["spec"] |= {"storageClassName": "local", "volumeName": "v"}
    found.change(volumes={"data": DATA | change}, image="web:2")
    found.settle()
    assert found.condition("Ready") == ("False", "InvalidApp")
    assert said in ready(found)
    assert pod(found)["containers"][0]["image"] == "web:1"


def test_a_growth_that_the_disk_has_no_room_for_can_be_taken_back() -> None:
    found = life(volumes={"data": DATA})
    bound(found)
    claim(found)["spec"]["volumeName"] = "v"
    for size in ("900Gi", "2Gi"):
        found.change(volumes={"data": DATA | {"size": size}})
        found.settle()
        assert claim(found)["spec"]["resources"]["requests"]["storage"] == size
    found.change(volumes={"data": DATA | {"size": "512Mi"}})
    found.settle()
    assert "volume data of shop has 1Gi and volumes never become smaller" in ready(found)


def test_a_claim_that_was_never_made_is_deleted_to_ask_for_less() -> None:
    found = life(volumes={"data": DATA | {"size": "900Gi"}})
    found.change(volumes={"data": DATA | {"size": "2Gi"}})
    found.settle()
    assert "`ph volumes delete shop/data`, then deploy again" in ready(found)


def test_replicas_that_would_write_to_one_volume_are_refused_with_the_ways_out() -> None:
    found = life(volumes={"data": DATA}, replicas=2)
    assert found.condition("Ready") == ("False", "InvalidApp")
    assert "shop cannot have 2 replicas of web, which would write over each other's files in volume data (ReadWriteOnce)" in ready(found)
    assert not found.of("Deployment")
    found.change(replicas=1)
    found.settle()
    assert len(found.of("Deployment")) == 1


@pytest.mark.parametrize("volume", [{"accessMode": "ReadWriteMany"}, {"readOnly": True}, {"processes": ["worker"]}])
def test_replicas_may_share_what_many_can_write_to_and_what_they_only_read(volume: Object) -> None:
    found = life(volumes={"data": DATA | volume}, replicas=2, processes={"web": {}, "worker": {}})
    assert found.condition("Ready") == ("False", "RollingOut")
    assert strategy(found) == "RollingUpdate"


def test_the_old_writer_ends_before_the_new_one_starts() -> None:
    found = life(volumes={"data": DATA})
    assert strategy(found) == "Recreate"
    found.change(volumes={})
    found.settle()
    assert strategy(found) == "RollingUpdate"
    assert (pod(found)["volumes"], pod(found)["affinity"], pod(found)["securityContext"]["fsGroup"]) == ([], None, None)


def test_all_processes_have_a_volume_unless_it_names_some() -> None:
    processes = {"web": {}, "worker": {"command": ["w"]}, "release": {"command": ["r"]}}
    found = life(volumes={"data": DATA, "cache": {"path": "/cache", "processes": ["worker"]}}, processes=processes)
    (job,) = found.of("Job")
    assert [each["name"] for each in job["spec"]["template"]["spec"]["volumes"]] == ["data"]
    found.end_job(meta.name(job), "Complete")
    found.settle()
    assert [each["name"] for each in pod(found)["volumes"]] == ["data"]
    assert [each["name"] for each in pod(found, "shop-worker")["volumes"]] == ["cache", "data"]


def test_pods_that_share_a_volume_go_to_one_node() -> None:
    found = life(volumes={"data": DATA}, processes={"web": {}, "worker": {"command": ["w"]}})
    for name in ("shop", "shop-worker"):
        template = found.objects["Deployment", name]["spec"]["template"]
        (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_a_release_runs_again_on_a_volume_that_it_has_not_seen() -> None:
    found = life(processes={"web": {}, "release": {"command": ["r"]}})
    (first,) = found.of("Job")
    found.end_job(meta.name(first), "Complete")
    found.settle()
    found.change(volumes={"data": DATA})
    found.settle()
    assert found.condition("Ready") == ("False", "Releasing")


def test_a_volume_taken_out_leaves_its_claim_and_finds_it_again() -> None:
    found = life(volumes={"data": DATA | {"size": "2Gi"}})
    bound(found)
    found.change(volumes={})
    found.settle()
    (shown,) = found.status["volumes"]
    assert shown == {"name": "data", "claim": "shop-data", "phase": "Bound", "requested": "2Gi", "capacity": "2Gi", "kept": True}
    found.change(volumes={"data": {"path": "/elsewhere"}})
    found.settle()
    assert [each["claim"] for each in found.status["volumes"]] == ["shop-data"]
    assert claim(found)["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert found.status["revisions"][-1]["changed"] == "volume data"


def test_a_claim_of_somebody_else_is_not_taken() -> None:
    found = Life(app(image="web:1", volumes={"data": DATA}))
    foreign(found, "shop-data")
    found.settle()
    assert found.condition("Ready") == ("False", "InvalidApp")
    assert "claim shop-data exists and was not made for volume data of shop" in ready(found)
    found.change(volumes={"data": DATA | {"claim": "shop-data"}})
    found.settle()
    assert pod(found)["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    assert found.condition("Ready") == ("False", "RollingOut")


def test_a_claim_that_is_named_and_not_there_is_waited_for() -> None:
    found = life(volumes={"data": DATA | {"claim": "old"}})
    assert "volume data mounts claim old, which does not exist" in ready(found)
    foreign(found, "old", accessModes=["ReadWriteMany"])
    found.change(replicas=3)
    found.settle()
    assert found.condition("Ready") == ("False", "RollingOut")


def test_a_claim_of_another_app_is_mounted_where_that_one_has_its_files_and_on_its_node() -> None:
    found = Life(app(image="web:1", volumes={"data": DATA | {"claim": "blog-data"}}))
    foreign(found, "blog-data")
    found.objects["PersistentVolumeClaim", "blog-data"]["metadata"]["labels"] = {
        "app.kubernetes.io/name": "blog",
        "app.kubernetes.io/managed-by": "pilothouse",
        "apps.pilothouse.dev/volume": "data",
    }
    found.settle()
    assert pod(found)["containers"][0]["volumeMounts"][0]["subPath"] == "data"
    labels = found.objects["Deployment", "shop"]["spec"]["template"]["metadata"]["labels"]
    assert labels["apps.pilothouse.dev/volumes-with"] == "blog"


def test_an_empty_volume_begins_with_what_the_image_has_where_nodes_can_do_that() -> None:
    volumes = {"data": DATA, "seen": {"path": "/seen", "readOnly": True}}
    for around, annotation in ((AROUND, None), (replace(AROUND, fills_volumes=True), "data")):
        found = Life(app(image="web:1", volumes=volumes), around)
        found.settle()
        marks = found.objects["Deployment", "shop"]["spec"]["template"]["metadata"]["annotations"]
        assert marks.get("pilothouse.io/volumes-from-image") == annotation


def test_no_claim_is_made_for_an_app_that_is_not_built() -> None:
    found = Life(app(source={"git": {"url": "https://git.example.org/shop.git"}}, volumes={"data": DATA}))
    found.settle()
    found.build("Failed", reason="BuildFailed")
    found.settle()
    assert not found.of("PersistentVolumeClaim")


def test_the_load_may_not_bring_a_second_replica_to_a_volume_of_one() -> None:
    found = life(volumes={"data": DATA}, autoscale={"min": 1, "max": 4})
    assert found.condition("Ready") == ("False", "InvalidApp")
    assert "shop cannot have 4 replicas of web" in ready(found)


def test_a_spec_with_more_volumes_than_there_may_be_makes_no_large_status() -> None:
    found = life(volumes={f"v{n}": {"path": f"/v{n}"} for n in range(500)})
    assert found.condition("Ready") == ("False", "InvalidApp")
    assert len(found.status["volumes"]) == 20


def test_what_somebody_else_adds_to_a_deployment_is_not_taken_off_again_and_again() -> None:
    found = life()
    added = {"affinity": {"nodeAffinity": {}}, "volumes": [{"name": "injected", "emptyDir": {}}]}
    pod(found).update(added)
    before = found.objects["Deployment", "shop"]["metadata"]["generation"]
    found.settle()
    assert found.objects["Deployment", "shop"]["metadata"]["generation"] == before
    assert pod(found)["volumes"] == added["volumes"]
    found.change(env={"A": "1"})
    found.settle()
    assert pod(found)["volumes"] == []
