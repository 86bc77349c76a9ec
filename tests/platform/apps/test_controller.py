from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.errors import Invalid
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.apps.life import DIGESTS, source
from tests.platform.live import platform

AUTOSCALERS = kinds.HORIZONTALPODAUTOSCALERS


def serves(obj: Object) -> bool:
    observed = (obj.get("status") or {}).get("observedGeneration") == meta.generation(obj)
    return observed and meta.is_true(obj, "Ready")


def reason(obj: Object) -> str:
    return str((meta.condition(obj, "Ready") or {}).get("reason", ""))


async def finish_build(cluster: Cluster, digest: str) -> None:
    build: Object = await cluster.until(BUILDS, lambda items: next((b for b in items if not (b.get("status") or {}).get("digest")), None))
    status = {"status": {"phase": "Succeeded", "digest": digest}}
    await cluster.client.patch(BUILDS, meta.name(build), status, namespace="default", subresource="status")


async def test_an_app_becomes_a_build_and_then_all_that_serves_it(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"source": source(), "replicas": 2}})
        await finish_build(cluster, DIGESTS[0])
        app = await cluster.until_one(APPS, "shop", serves)
        assert (app["status"]["revision"], app["status"]["readyReplicas"], app["status"]["url"]) == (1, 2, "http://shop.localhost")
        for resource in (kinds.DEPLOYMENTS, kinds.SERVICES, kinds.INGRESSES):
            assert await cluster.get(resource, "shop") is not None


async def test_a_new_setting_is_ready_when_its_pods_are_and_can_be_scaled(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "shop", serves)
        await cluster.patch(APPS, "shop", {"spec": {"env": {"MODE": "live"}, "resources": {"cpu": "0.5"}}})
        await cluster.until_one(APPS, "shop", serves)
        deployment = await cluster.get(kinds.DEPLOYMENTS, "shop")
        assert deployment is not None
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert {"name": "MODE", "value": "live"} in container["env"]
        scale = await cluster.client.patch(APPS, "shop", {"spec": {"replicas": 3}}, namespace="default", subresource="scale")
        assert scale["spec"]["replicas"] == 3
        app = await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and obj["status"]["readyReplicas"] == 3)
        assert app["status"]["revision"] == 2


async def test_what_carries_the_apps_name_and_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(kinds.SERVICES, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 9999}]}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until(kinds.EVENTS, lambda items: any(e["reason"] == "NameTaken" for e in items))
        service = await cluster.get(kinds.SERVICES, "shop")
        assert service is not None
        assert service["spec"]["ports"][0]["port"] == 9999


async def test_an_app_takes_its_name_when_it_becomes_free(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.SERVICES, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 9999}]}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        app = await cluster.until_one(APPS, "shop", lambda obj: reason(obj) == "NameTaken")
        assert "service shop exists and is not this app's" in meta.condition(app, "Ready")["message"]  # type: ignore[index]
        await cluster.client.delete(kinds.SERVICES, "shop", "default")
        await cluster.until_one(APPS, "shop", serves)


async def test_what_the_cluster_refuses_is_told_until_it_is_corrected(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "env": {"A=B": "x"}}})
        app = await cluster.until_one(APPS, "shop", lambda obj: reason(obj) == "Refused")
        assert "A=B" in meta.condition(app, "Ready")["message"]  # type: ignore[index]
        await cluster.patch(APPS, "shop", {"spec": {"env": {"A=B": None}}})
        await cluster.until_one(APPS, "shop", serves)


async def test_a_state_gone_back_to_is_the_newest_revision(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "env": {"Z": "a&b", "A": ""}}})
        for image in ("web:2", "web:1"):
            await cluster.until_one(APPS, "shop", serves)
            await cluster.patch(APPS, "shop", {"spec": {"image": image}})
        app = await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and obj["status"]["image"] == "web:1")
        assert [(r["number"], r["image"]) for r in app["status"]["revisions"]] == [(2, "web:2"), (3, "web:1")]


async def test_a_deleted_app_takes_everything_with_it(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "shop", serves)
        await cluster.client.delete(APPS, "shop", "default", propagation="Background")
        for resource in (kinds.PODS, kinds.DEPLOYMENTS, kinds.SERVICES, kinds.INGRESSES, kinds.CONTROLLERREVISIONS):
            await cluster.until(resource, lambda items: not [obj for obj in items if meta.name(obj).startswith("shop")])


async def test_a_secret_that_anybody_changes_is_rolled_out(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "keys"}, "stringData": {"TOKEN": "one"}})
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "secrets": ["keys"]}})
        await cluster.until_one(APPS, "shop", serves)
        await cluster.patch(kinds.SECRETS, "keys", {"stringData": {"TOKEN": "two"}})
        app = await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and obj["status"]["revision"] == 2)
        assert app["status"]["revisions"][-1]["changed"] == "secrets"


async def test_a_host_of_another_app_is_refused_and_taken_over_when_it_is_free(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "book"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "book", serves)
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"source": source(), "hosts": ["book.localhost"]}})
        app = await cluster.until_one(APPS, "shop", lambda obj: reason(obj) == "HostTaken")
        assert "book.localhost is app book's" in meta.condition(app, "Ready")["message"]  # type: ignore[index]
        assert (await cluster.client.list(BUILDS, "default")).items == []
        await cluster.client.delete(APPS, "book", "default", propagation="Foreground")
        await finish_build(cluster, DIGESTS[0])
        await cluster.until_one(APPS, "shop", serves)


@pytest.mark.parametrize("spec", [{"image": "Not An Image"}, {"image": "web:1", "hosts": ["http://x/"]}, {"image": "web:1", "port": 70000}])
async def test_a_value_that_cannot_work_is_refused_by_the_server(tmp_path: Path, spec: Object) -> None:
    async with platform(tmp_path) as cluster:
        with pytest.raises(Invalid):
            await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": spec})
        with pytest.raises(Invalid):
            await cluster.create(APPS, {"metadata": {"name": "not.a.label"}, "spec": {"image": "web:1"}})


async def test_the_gateways_sentence_follows_the_number_of_replicas(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}})
        await cluster.until_one(APPS, "shop", serves)
        await cluster.patch(APPS, "shop", {"spec": {"replicas": 0}})
        await cluster.until_one(kinds.INGRESSES, "shop", lambda obj: "scaled to 0" in str(meta.annotations(obj)))


async def test_an_app_at_rest_writes_nothing(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "health": {"path": "/"}}})
        app = await cluster.until_one(APPS, "shop", serves)
        before = [await cluster.get(resource, "shop") for resource in (kinds.DEPLOYMENTS, kinds.INGRESSES, kinds.SERVICES)]
        await cluster.patch(APPS, "shop", {"metadata": {"labels": {"x": "y"}}, "spec": {"history": 5}})
        await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and meta.generation(obj) > meta.generation(app))
        assert before == [await cluster.get(resource, "shop") for resource in (kinds.DEPLOYMENTS, kinds.INGRESSES, kinds.SERVICES)]


async def test_what_no_kept_revision_needs_any_more_is_removed(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "keys"}, "data": {"KEY": "eA=="}})
        processes = {"web": {}, "worker": {"command": ["work"]}}
        spec = {"source": source(), "secrets": ["keys"], "processes": processes, "history": 1}
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": spec})
        await finish_build(cluster, DIGESTS[0])
        await cluster.until_one(APPS, "shop", serves)
        await cluster.patch(APPS, "shop", {"spec": {"attempt": 1, "port": 9000, "processes": {"worker": None}}})
        await finish_build(cluster, DIGESTS[1])
        await cluster.until(kinds.DEPLOYMENTS, lambda items: len(items) == 1, "one Deployment")
        await cluster.patch(APPS, "shop", {"spec": {"port": 0, "secrets": [], "image": "web:1", "source": None}})
        await cluster.until(kinds.SERVICES, lambda items: [meta.name(each) for each in items] == ["kubernetes"], "no Service of the app")
        for resource in (kinds.INGRESSES, BUILDS):
            await cluster.until(resource, lambda items: not items, f"no {resource.plural}")
        await cluster.until(kinds.SECRETS, lambda items: [meta.name(each) for each in items] == ["keys"], "no copy of a Secret")
        await cluster.until(kinds.CONTROLLERREVISIONS, lambda items: len(items) == 1, "one revision")


async def test_a_release_runs_before_each_revision_and_goes_with_it(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        spec = {"image": "web:1", "history": 1, "processes": {"web": {}, "release": {"command": ["migrate"]}}}
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": spec})
        first = await finish_release(cluster, "")
        await cluster.until_one(APPS, "shop", serves)
        await cluster.patch(APPS, "shop", {"spec": {"env": {"MODE": "live"}}})
        await finish_release(cluster, first)
        await cluster.until(kinds.JOBS, lambda items: first not in map(meta.name, items), "the first release's Job is gone")


async def finish_release(cluster: Cluster, other_than: str) -> str:
    """The name of the Job whose pod has done its work."""

    def of_a_release(items: list[Object]) -> Object | None:
        jobs = ((pod, meta.controller_of(pod) or {}) for pod in items if meta.is_true(pod, "Ready"))
        return next((pod for pod, owner in jobs if owner.get("kind") == "Job" and owner["name"] != other_than), None)

    pod = await cluster.until(kinds.PODS, of_a_release)
    await cluster.set_pod(pod, phase="Succeeded")
    return str((meta.controller_of(pod) or {})["name"])


async def test_a_volume_is_a_claim_that_outlives_its_app_and_grows(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        wanted = {"image": "web:1", "volumes": {"data": {"path": "/data"}}}
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": wanted})
        claim = await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        deployment = await cluster.until_one(kinds.DEPLOYMENTS, "shop", bool)
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
        await cluster.client.delete(APPS, "shop", "default", propagation="Background")
        await cluster.until(kinds.DEPLOYMENTS, lambda items: not items)
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": wanted | {"volumes": {"data": {"path": "/data", "size": "2Gi"}}}})
        await cluster.until_one(APPS, "shop", lambda obj: reason(obj) in ("RollingOut", "Refused"))
        again = await cluster.get(kinds.PERSISTENTVOLUMECLAIMS, "shop-data")
        assert again is not None
        assert meta.uid(again) == meta.uid(claim)


async def test_a_raised_size_is_asked_of_the_claim_where_its_class_lets_it_grow(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        growing = {"metadata": {"name": "growing"}, "provisioner": "x", "allowVolumeExpansion": True}
        await cluster.client.create(kinds.STORAGECLASSES, growing)
        volume = {"path": "/data", "storageClass": "growing"}
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "volumes": {"data": volume}}})
        claim = await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}}
        await cluster.client.patch(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bound, namespace="default", subresource="status")
        await cluster.patch(APPS, "shop", {"spec": {"volumes": {"data": {"size": "2Gi"}}}})
        await cluster.until_one(
            kinds.PERSISTENTVOLUMECLAIMS, "shop-data", lambda obj: obj["spec"]["resources"]["requests"]["storage"] == "2Gi"
        )
        assert claim["spec"]["storageClassName"] == "growing"


async def test_a_volume_can_be_taken_out_and_given_back(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "volumes": {"data": {"path": "/data"}}}})
        await cluster.until_one(kinds.DEPLOYMENTS, "shop", lambda obj: obj["spec"]["strategy"]["type"] == "Recreate")
        await cluster.patch(APPS, "shop", {"spec": {"volumes": None}})
        plain = await cluster.until_one(kinds.DEPLOYMENTS, "shop", lambda obj: obj["spec"]["strategy"]["type"] == "RollingUpdate")
        pod = plain["spec"]["template"]["spec"]
        assert not pod.get("volumes")
        assert not pod.get("affinity")
        assert "fsGroup" not in pod["securityContext"]
        await cluster.until_one(APPS, "shop", lambda obj: any(each.get("kept") for each in obj["status"]["volumes"]))


async def test_an_app_waits_for_a_claim_that_somebody_has_yet_to_make(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        volumes = {"data": {"path": "/data", "claim": "old"}}
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "volumes": volumes}})
        await cluster.until_one(APPS, "shop", lambda obj: reason(obj) == "InvalidApp")
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await cluster.create(kinds.PERSISTENTVOLUMECLAIMS, {"metadata": {"name": "old"}, "spec": spec})
        await cluster.until_one(kinds.DEPLOYMENTS, "shop", bool)


async def test_an_autoscaler_comes_goes_and_comes_back_with_the_apps_wish(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, {"metadata": {"name": "shop"}, "spec": {"image": "web:1", "autoscale": {"min": 2, "max": 4}}})
        # Its autoscaler sets the number of the App, and the App's controller the Deployment's.
        app = await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and obj["status"]["readyReplicas"] == 2)
        assert app["spec"]["replicas"] == 2
        scaler = await cluster.until_one(AUTOSCALERS, "shop", lambda obj: (obj.get("status") or {}).get("desiredReplicas") == 2)
        await cluster.patch(APPS, "shop", {"spec": {"autoscale": {"max": 5}}})
        await cluster.until_one(AUTOSCALERS, "shop", lambda obj: obj["spec"]["maxReplicas"] == 5)
        await cluster.client.delete(AUTOSCALERS, "shop", "default")
        await cluster.until_one(AUTOSCALERS, "shop", lambda obj: meta.uid(obj) != meta.uid(scaler))
        await cluster.patch(APPS, "shop", {"spec": {"replicas": 3, "autoscale": None}})
        await cluster.until(AUTOSCALERS, lambda items: not items)
        await cluster.until_one(APPS, "shop", lambda obj: serves(obj) and obj["status"]["readyReplicas"] == 3)
