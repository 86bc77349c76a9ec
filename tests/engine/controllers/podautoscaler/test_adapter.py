"""Autoscalers by the figures of an adapter: another API server behind a Service, asked with the controller's own rights."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.aggregator.front_proxy import FrontProxy
from pilothouse.engine.controllers.podautoscaler import metrics
from pilothouse.engine.controllers.podautoscaler.controller import WORKERS
from pilothouse.model.json import Object
from pilothouse.model.kinds import APISERVICES, DEPLOYMENTS, ENDPOINTSLICES, HORIZONTALPODAUTOSCALERS, SERVICES
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.engine.apiserver.aggregator.conftest import Network, front_proxy, network, server
from tests.engine.apiserver.aggregator.other import ADDRESS, PORT, service, slice_of
from tests.engine.apiserver.conftest import authority, state, store
from tests.engine.controllers.conftest import Cluster
from tests.engine.controllers.podautoscaler.adapter import CUSTOM, EXTERNAL, Adapter
from tests.engine.controllers.podautoscaler.test_controller import (
    autoscaler,
    deployment,
    scaling,
    until_it_says,
    until_told,
    usage,
    web,
)

__all__ = ["authority", "front_proxy", "network", "scaling", "server", "state", "store", "usage", "web"]


@pytest.fixture(params=["v1beta1", "v1beta2"])
def version(request: pytest.FixtureRequest) -> str:
    """Of custom.metrics.k8s.io."""
    return str(request.param)


@pytest.fixture
async def adapter(web: Cluster, network: Network, front_proxy: FrontProxy, version: str, tmp_path: Path) -> AsyncIterator[Adapter]:
    """Registered for both APIs; two pods of `web` are known to it."""
    own = CertificateAuthority.create(tmp_path / "adapter")
    pair = own.issue_server(["other.default.svc"])
    adapter = Adapter(version, {name: {"app": "web"} for name in ("w1", "w2")} | {"x1": {"app": "x"}})
    async with await serve(adapter.handle, tls=server_context(pair.certificate, pair.key, front_proxy.authority)) as listening:
        network.ports[ADDRESS, PORT] = listening.port
        await web.create(SERVICES, service())
        await web.create(ENDPOINTSLICES, slice_of())
        for group, served in ((CUSTOM, version), (EXTERNAL, "v1beta1")):
            await register(web, group, served, own.certificate)
        yield adapter


async def register(cluster: Cluster, group: str, version: str, authority: bytes) -> None:
    spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100}
    spec |= {"service": {"namespace": "default", "name": "other"}, "caBundle": base64.b64encode(authority).decode()}
    name = f"{version}.{group}"
    await cluster.create(APISERVICES, {"metadata": {"name": name}, "spec": spec})

    def is_available(obj: Object) -> bool:
        conditions = (obj.get("status") or {}).get("conditions") or ()
        return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)

    await cluster.until_one(APISERVICES, name, is_available)


async def until_replicas(cluster: Cluster, wanted: int) -> None:
    await cluster.until_one(DEPLOYMENTS, "web", lambda obj: obj["spec"]["replicas"] == wanted)


def pods_metric(average: str, **more: object) -> Object:
    return {"type": "Pods", "pods": {"metric": {"name": "requests", **more}, "target": {"type": "AverageValue", "averageValue": average}}}


def external_metric(selector: Object | None = None, **target: str) -> Object:
    kind = "AverageValue" if "averageValue" in target else "Value"
    metric: Object = {"name": "queue"} | ({"selector": selector} if selector else {})
    return {"type": "External", "external": {"metric": metric, "target": {"type": kind, **target}}}


def object_metric(**target: str) -> Object:
    kind = "AverageValue" if "averageValue" in target else "Value"
    described = {"apiVersion": "v1", "kind": "Service", "name": "other"}
    return {"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": described, "target": {"type": kind, **target}}}


async def test_what_pods_report_decides(web: Cluster, adapter: Adapter, version: str) -> None:
    adapter.of_pods["requests"] = {"w1": "30", "w2": "10", "x1": "9000"}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[pods_metric("10", selector={"matchLabels": {"verb": "GET"}})]))
    await until_replicas(web, 4)
    shown = await until_it_says(web, "ScalingActive", "True", "ValidMetricFound", "replica count from pods metric requests")
    current = shown["status"]["currentMetrics"][0]["pods"]
    assert current["current"] == {"averageValue": "20"}
    path, _, query = adapter.asked[0].partition("?")
    assert path == f"/apis/{CUSTOM}/{version}/namespaces/default/pods/*/requests"
    assert query == "labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET"


@pytest.mark.parametrize(("target", "replicas"), [({"value": "50"}, 3), ({"averageValue": "25"}, 3)])
async def test_a_metric_of_an_object_decides(web: Cluster, adapter: Adapter, target: dict[str, str], replicas: int) -> None:
    adapter.of_objects["hits"] = {"services/other": "75"}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[object_metric(**target)]))
    await until_replicas(web, replicas)
    await until_it_says(web, "ScalingActive", "True", "ValidMetricFound", "Service metric hits")


@pytest.mark.parametrize(("target", "shown"), [({"value": "20"}, {"value": "40"}), ({"averageValue": "10"}, {"averageValue": "40"})])
async def test_the_sum_of_an_external_metric_decides(web: Cluster, adapter: Adapter, target: dict[str, str], shown: dict[str, str]) -> None:
    adapter.external["queue"] = [({"name": "mail"}, "25"), ({"name": "mail", "part": "2"}, "15"), ({"name": "web"}, "9000")]
    selector = {"matchLabels": {"name": "mail"}}
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[external_metric(selector, **target)]))
    await until_replicas(web, 4)
    shown_selector = "&LabelSelector{MatchLabels:map[string]string{name: mail,},MatchExpressions:[]LabelSelectorRequirement{},}"
    words = f"external metric queue({shown_selector})"
    found = await until_it_says(web, "ScalingActive", "True", "ValidMetricFound", words)
    assert found["status"]["currentMetrics"][0]["external"]["current"] == shown
    await until_told(web, "SuccessfulRescale", f"New size: 4; reason: {words} above target")
    assert adapter.asked[0].endswith("/namespaces/default/queue?labelSelector=name%3Dmail")


async def test_what_the_adapter_does_not_have_is_told_in_its_words(web: Cluster, adapter: Adapter) -> None:
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[pods_metric("10")]))
    words = "unable to get metric requests: unable to fetch metrics from custom metrics API: the server could not find the metric requests"
    await until_it_says(web, "ScalingActive", "False", "FailedGetPodsMetric", words)
    adapter.of_pods["requests"] = {"w1": "30", "w2": "30"}
    await until_replicas(web, 4)


async def test_an_external_metric_without_values_is_told(web: Cluster, adapter: Adapter) -> None:
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[external_metric(value="1")]))
    words = "unable to get external metric default/queue/nil: no metrics returned from external metrics API"
    await until_it_says(web, "ScalingActive", "False", "FailedGetExternalMetric", words)


async def test_an_adapter_that_has_gone_keeps_the_number_and_comes_back(web: Cluster, adapter: Adapter, network: Network) -> None:
    adapter.external["queue"] = [({}, "40")]
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[external_metric(averageValue="10")]))
    await until_replicas(web, 4)
    port = network.ports.pop((ADDRESS, PORT))
    await until_it_says(web, "ScalingActive", "False", "FailedGetExternalMetric", "unable to fetch metrics from external metrics API")
    found = await web.get(DEPLOYMENTS, "web")
    assert found is not None
    assert found["spec"]["replicas"] == 4
    network.ports[ADDRESS, PORT] = port
    await until_it_says(web, "ScalingActive", "True", "ValidMetricFound")


async def test_an_adapter_that_hangs_costs_its_autoscaler_a_moment(web: Cluster, adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ASK_S", 0.2)
    adapter.hangs = asyncio.Event()
    adapter.external["queue"] = [({}, "40")]
    await web.create(HORIZONTALPODAUTOSCALERS, autoscaler(metrics=[external_metric(averageValue="10")]))
    await until_it_says(web, "ScalingActive", "False", "FailedGetExternalMetric", "context deadline exceeded")
    adapter.hangs.set()
    await until_replicas(web, 4)


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


async def scaled_by(cluster: Cluster, name: str, *wanted: Object) -> None:
    """A Deployment without pods, and its autoscaler."""
    made = deployment(2)
    made["metadata"]["name"] = name
    made["spec"]["selector"]["matchLabels"] = made["spec"]["template"]["metadata"]["labels"] = {"app": name}
    await cluster.create(DEPLOYMENTS, made)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    await cluster.create(HORIZONTALPODAUTOSCALERS, autoscaler(name, target, metrics=[*wanted]))


async def test_an_adapter_that_hangs_keeps_no_worker_from_those_that_go_by_the_processor(
    web: Cluster, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "ASK_S", 30.0)
    adapter.hangs = asyncio.Event()
    try:
        for number in range(WORKERS + 1):
            await scaled_by(web, f"h{number}", external_metric(averageValue="10"))
        await scaled_by(web, "cpu", CPU)
        async with asyncio.timeout(15):
            await until_it_says(web, "ScalingActive", "False", "FailedGetResourceMetric", name="cpu")
    finally:
        adapter.hangs.set()
    adapter.external["queue"] = [({}, "40")]
    for number in range(WORKERS + 1):
        await until_it_says(web, "ScalingActive", "True", "ValidMetricFound", name=f"h{number}")
