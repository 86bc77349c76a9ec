"""Autoscalers against a real API server, with the controller's own rights; what pods use is set by the tests."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.resource_metrics.points import ContainerKey, Point
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage, Pair
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.podautoscaler import controller as controller_module
from pilothouse.engine.controllers.podautoscaler.controller import HorizontalPodAutoscalerController
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, DEPLOYMENTS, EVENTS, HORIZONTALPODAUTOSCALERS, PODS, SERVICEACCOUNTS
from pilothouse.model.resource import Resource
from tests.engine.controllers.conftest import Cluster, held
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

THINGS = Resource("example.com", "v1", "things", "Thing", custom=True)
SYNC_S = 0.1
STATUS = "horizontalpodautoscalers.autoscaling/status"


@dataclass
class PlayedUsage:
    """milli: what each pod uses of a processor, over the last 15 seconds."""

    milli: dict[str, int] = field(default_factory=dict)

    async def usage(self) -> Mapping[str, NodeUsage]:
        now = time.time()
        pairs = {
            ContainerKey("default", pod, "c"): Pair(Point(now, used * 15 / 1000, 4096), Point(now - 15, 0.0, 4096))
            for pod, used in self.milli.items()
        }
        return {"n1": NodeUsage(Pair(Point()), pairs)}

    def lacks(self, node: str) -> None:
        """Tests say themselves what there is."""


@pytest.fixture
def usage(server: ApiServer) -> PlayedUsage:
    server.backend.usage = PlayedUsage()
    return server.backend.usage


@asynccontextmanager
async def scaled(server: ApiServer, sync_s: float = SYNC_S, clock: Callable[[], float] = time.time) -> AsyncIterator[Cluster]:
    """With the controller of autoscalers alone, which is never refused."""
    manager = client_of(server, CONTROLLER_MANAGER)
    informers, recorder = Informers(manager), Recorder(manager, None, "controllers")
    own = controller_client(server, "horizontal-pod-autoscaler")
    controller = HorizontalPodAutoscalerController(own, informers, recorder.named("horizontal-pod-autoscaler"), clock, sync_s)
    cluster = Cluster(client_of(server, ADMIN), informers)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        tasks.spawn(informers.run())
        await tasks.start(controller.run)
        yield cluster
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def scaling(server: ApiServer, usage: PlayedUsage) -> AsyncIterator[Cluster]:
    async with held(scaled(server)) as cluster:
        yield cluster


def deployment(replicas: int) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web"}, "spec": spec}


def autoscaler(name: str = "a", target: Object | None = None, **spec: object) -> Object:
    target = target or {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec}}


async def add_pod(cluster: Cluster, name: str) -> None:
    spec = deployment(1)["spec"]["template"]["spec"] | {"nodeName": "n1", "automountServiceAccountToken": False}
    await cluster.client.create(PODS, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}, "default")
    old = meta.rfc3339(time.time() - 3600)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": old}
    status = {"phase": "Running", "startTime": old, "conditions": [ready]}
    await cluster.client.patch(PODS, name, {"status": status}, namespace="default", subresource="status")


@pytest.fixture
async def web(scaling: Cluster) -> Cluster:
    await make_web(scaling)
    return scaling


async def make_web(cluster: Cluster) -> None:
    await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
    await cluster.create(DEPLOYMENTS, deployment(2))
    for name in ("w1", "w2"):
        await add_pod(cluster, name)


def says(kind: str, status: str, reason: str, words: str = "") -> Callable[[Object], bool]:
    def holds(hpa: Object) -> bool:
        found = meta.condition(hpa, kind) or {}
        return (found.get("status"), found.get("reason")) == (status, reason) and words in found.get("message", "")

    return holds


async def until_it_says(cluster: Cluster, kind: str, status: str, reason: str, words: str = "", name: str = "a") -> Object:
    return await cluster.until_one(HORIZONTALPODAUTOSCALERS, name, says(kind, status, reason, words))


def requests(server: ApiServer, verb: str, resource: str) -> int:
    """How many the controller has made."""
    wanted = (f'verb="{verb}"', f'resource="{resource}"', "horizontal-pod-autoscaler")
    found = (line.rpartition(" ")[2] for line in server.backend.authorizer.uses.lines() if all(each in line for each in wanted))
    return sum(map(int, found))


async def rounds_write_nothing(server: ApiServer) -> None:
    """For three rounds more."""
    looked, written = requests(server, "get", "deployments.apps/scale"), requests(server, "update", STATUS)
    async with asyncio.timeout(10):
        while requests(server, "get", "deployments.apps/scale") < looked + 3:
            await asyncio.sleep(SYNC_S / 4)
    assert requests(server, "update", STATUS) == written


async def until_told(cluster: Cluster, reason: str, words: str = "") -> Object:
    def found(events: list[Object]) -> Object | None:
        return next((each for each in events if each["reason"] == reason and words in each["message"]), None)

    event: Object = await cluster.until(EVENTS, found, reason)
    return event


async def test_a_deployment_grows_with_what_its_pods_use_and_says_so(web: Cluster, usage: PlayedUsage) -> None:
    usage.milli |= {"w1": 900, "w2": 900}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    await web.until_one(DEPLOYMENTS, "web", lambda found: found["spec"]["replicas"] == 3)
    event = await until_told(web, "SuccessfulRescale")
    assert event["message"] == "New size: 3; reason: cpu resource utilization (percentage of request) above target"
    assert event["source"]["component"] == "horizontal-pod-autoscaler"
    hpa = await web.until_one(HORIZONTALPODAUTOSCALERS, "a", lambda found: (found.get("status") or {}).get("lastScaleTime"))
    assert hpa["status"]["currentMetrics"][0]["resource"] == {
        "name": "cpu",
        "current": {"averageUtilization": 90, "averageValue": "900m"},
    }
    assert [each["type"] for each in hpa["status"]["conditions"]] == ["AbleToScale", "ScalingActive", "ScalingLimited"]


async def test_a_deployment_shrinks_as_fast_as_its_autoscaler_allows(web: Cluster, usage: PlayedUsage) -> None:
    usage.milli |= {"w1": 100, "w2": 100}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler("slow"))
    hpa = await until_it_says(web, "AbleToScale", "True", "ScaleDownStabilized", name="slow")
    assert (hpa["status"]["currentReplicas"], hpa["status"]["desiredReplicas"]) == (2, 2)
    quick = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
    await web.patch(HORIZONTALPODAUTOSCALERS, "slow", {"spec": quick})
    await web.until_one(DEPLOYMENTS, "web", lambda found: found["spec"]["replicas"] == 1)
    await until_told(web, "SuccessfulRescale", "New size: 1; reason: All metrics below target")


async def test_bounds_are_kept_whatever_the_metrics_are(web: Cluster) -> None:
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(minReplicas=4))
    await web.until_one(DEPLOYMENTS, "web", lambda found: found["spec"]["replicas"] == 4)
    await until_told(web, "SuccessfulRescale", "Current number of replicas below Spec.MinReplicas")


async def test_a_deployment_that_somebody_has_switched_off_stays_off(web: Cluster, server: ApiServer) -> None:
    await web.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    await until_it_says(web, "ScalingActive", "False", "ScalingDisabled")
    await rounds_write_nothing(server)
    found = await web.get(DEPLOYMENTS, "web")
    assert found is not None
    assert found["spec"]["replicas"] == 0


async def test_what_is_missing_is_said_and_comes_by_itself(web: Cluster, usage: PlayedUsage) -> None:
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    words = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    await until_it_says(web, "ScalingActive", "False", "FailedGetResourceMetric", words)
    await until_told(web, "FailedGetResourceMetric", words)
    await until_told(
        web, "FailedComputeMetricsReplicas", "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource"
    )
    usage.milli |= {"w1": 800, "w2": 800}
    await until_it_says(web, "ScalingActive", "True", "ValidMetricFound")


async def test_the_first_figures_of_a_new_pod_are_looked_for_sooner(
    server: ApiServer, usage: PlayedUsage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "AWAITED_S", 0.1)
    async with scaled(server, sync_s=3600) as cluster:
        await make_web(cluster)
        await cluster.create(HORIZONTALPODAUTOSCALERS, autoscaler())
        await until_it_says(cluster, "ScalingActive", "False", "FailedGetResourceMetric")
        usage.milli = {"w1": 800, "w2": 800}
        await until_it_says(cluster, "ScalingActive", "True", "ValidMetricFound")


async def test_pods_that_have_had_no_figures_for_long_are_not_looked_for_sooner(
    server: ApiServer, usage: PlayedUsage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "AWAITED_S", 0.1)
    async with scaled(server, sync_s=3600, clock=lambda: time.time() + 3600) as cluster:
        await make_web(cluster)
        await cluster.create(HORIZONTALPODAUTOSCALERS, autoscaler())
        await until_it_says(cluster, "ScalingActive", "False", "FailedGetResourceMetric")
        looked = requests(server, "get", "deployments.apps/scale")
        await asyncio.sleep(0.5)
        assert requests(server, "get", "deployments.apps/scale") == looked


async def test_a_target_that_is_not_there_is_named(scaling: Cluster) -> None:
    await scaling.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    await until_it_says(scaling, "AbleToScale", "False", "FailedGetScale", 'deployments.apps "web" not found')
    await scaling.create(HORIZONTALPODAUTOSCALERS, autoscaler("b", {"apiVersion": "apps/v1", "kind": "Nothing", "name": "x"}))
    await until_it_says(scaling, "AbleToScale", "False", "FailedGetScale", 'no matches for kind "Nothing" in group "apps"', name="b")
    await scaling.create(HORIZONTALPODAUTOSCALERS, autoscaler("c", {"apiVersion": "batch/v1", "kind": "Job", "name": "x"}))
    await until_it_says(scaling, "AbleToScale", "False", "FailedGetScale", "jobs.batch cannot be scaled", name="c")


@pytest.mark.parametrize(
    ("metric", "reason", "words"),
    [
        (
            {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
            "FailedGetPodsMetric",
            "no custom metrics API (custom.metrics.k8s.io) registered",
        ),
        (
            {
                "type": "Object",
                "object": {
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "s"},
                    "metric": {"name": "hits"},
                    "target": {"type": "Value", "value": "1"},
                },
            },
            "FailedGetObjectMetric",
            "no custom metrics API (custom.metrics.k8s.io) registered",
        ),
        (
            {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "1"}}},
            "FailedGetExternalMetric",
            "no external metrics API (external.metrics.k8s.io) registered",
        ),
    ],
)
async def test_metrics_that_nobody_serves_are_named(web: Cluster, metric: Object, reason: str, words: str) -> None:
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[metric]))
    await until_it_says(web, "ScalingActive", "False", reason, words)


async def test_two_autoscalers_of_the_same_pods_do_nothing_and_name_each_other(web: Cluster, usage: PlayedUsage) -> None:
    usage.milli |= {"w1": 800, "w2": 800}
    for name in ("a", "b"):
        await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(name))
    for name in ("a", "b"):
        await until_it_says(web, "ScalingActive", "False", "AmbiguousSelector", "[default/a default/b]", name=name)
    await web.client.delete(HORIZONTALPODAUTOSCALERS, "b", "default")
    await until_it_says(web, "ScalingActive", "True", "ValidMetricFound")


async def test_a_custom_resource_with_a_scale_is_scaled(web: Cluster, usage: PlayedUsage) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": scale},
    }
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await web.create(CRDS, {"metadata": {"name": "things.example.com"}, "spec": spec})
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"size": 2}}
    await web.create(THINGS, thing)
    status = {"status": {"size": 2, "selector": "app=web"}}
    await web.client.patch(THINGS, "t", status, namespace="default", subresource="status")
    usage.milli |= {"w1": 1600, "w2": 1600}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(target={"apiVersion": "example.com/v1", "kind": "Thing", "name": "t"}))
    await web.until_one(THINGS, "t", lambda found: found["spec"]["size"] == 4)


async def test_an_autoscaler_at_rest_writes_nothing(web: Cluster, usage: PlayedUsage, server: ApiServer) -> None:
    usage.milli |= {"w1": 800, "w2": 800}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler())
    await until_it_says(web, "ScalingActive", "True", "ValidMetricFound")
    await rounds_write_nothing(server)


async def test_of_many_metrics_that_are_missing_only_some_have_events_of_their_own(web: Cluster) -> None:
    def queue(number: int) -> Object:
        return {"type": "External", "external": {"metric": {"name": f"q{number}"}, "target": {"type": "Value", "value": "1"}}}

    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[queue(number) for number in range(20)]))
    await until_told(web, "FailedComputeMetricsReplicas", "invalid metrics (20 invalid out of 20)")
    told = {event["message"] for event in await web.items(EVENTS) if event["reason"] == "FailedGetExternalMetric"}
    assert len(told) == 8
