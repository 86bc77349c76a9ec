"""Autoscalers with real containers: by the CPU that a load takes, by what pods report to an adapter, and of an app of the platform."""

import asyncio
import base64
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bench.autoscaling import SERVE_WORK
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.e2e.instance import Instance, eventually, require_rights, started
from tests.engine.controllers.podautoscaler.adapter import CUSTOM, EXTERNAL, Adapter

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(280)]
BUSYBOX = "docker.io/test/busybox:1"
REPORT = "; mkdir -p /www; echo 30 > /www/report; "


@pytest.fixture(scope="module")
def quick() -> Iterator[Instance]:
    """With autoscalers that look every 3 s, and the platform."""
    with started(8) as made:
        made.ph("down")
        settings = made.home / "settings.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"autoscaler_sync_s": 3}))
        made.up()
        made.load_image(BUSYBOX)
        yield made
        require_rights(made)


def work(name: str, script: str) -> Object:
    """A Deployment and its Service; each request to /cgi-bin/work makes the pod compute."""
    container = {
        "name": "c",
        "image": BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "resources": {"requests": {"cpu": "200m"}, "limits": {"cpu": "200m"}},
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": labels, "ports": ports}}
    return {"apiVersion": "v1", "kind": "List", "items": [deployment, service]}


@contextmanager
def loaded(url: str) -> Iterator[None]:
    """With three requests at a time to it for the block."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            with suppress(OSError), urllib.request.urlopen(url, timeout=20) as answer:
                answer.read()

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(ask)
        try:
            yield
        finally:
            is_over.set()


def ready(instance: Instance, name: str) -> int:
    return int(instance.get("deployment", name)["status"].get("readyReplicas") or 0)


def condition(instance: Instance, name: str, kind: str) -> tuple[str, str]:
    found = meta.condition(instance.get("hpa", name), kind) or {}
    return found.get("status", ""), found.get("reason", "")


def test_a_load_brings_a_pod_and_takes_it_away_some_time_after_its_end(quick: Instance) -> None:
    quick.kubectl("apply", "-f", "-", input=json.dumps(work("work", SERVE_WORK)))
    quick.kubectl("autoscale", "deployment", "work", "--cpu=50%", "--min=1", "--max=2")
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 12}}
    quick.kubectl("patch", "hpa", "work", "--type=merge", "-p", json.dumps({"spec": {"behavior": behavior}}))
    eventually(lambda: condition(quick, "work", "ScalingActive") == ("True", "ValidMetricFound"), 60, 0.5)
    assert "work-" in quick.kubectl("top", "pods").stdout
    assert quick.kubectl("top", "nodes", "--no-headers").stdout.split()
    address = quick.get("service", "work")["spec"]["clusterIP"]
    with loaded(f"http://{address}/cgi-bin/work"):
        began = time.monotonic()
        eventually(lambda: ready(quick, "work") == 2, 30, 0.2)
        took_s = time.monotonic() - began
        described = quick.kubectl("describe", "hpa", "work").stdout
        time.sleep(6)
        assert ready(quick, "work") == 2
    assert took_s < 15, f"a pod more after {took_s:.1f} s"
    assert "New size: 2; reason: cpu resource utilization (percentage of request) above target" in described
    for kind in ("AbleToScale", "ScalingActive"):
        assert condition(quick, "work", kind)[0] == "True"
    ended = time.monotonic()
    eventually(lambda: quick.get("deployment", "work")["spec"]["replicas"] == 1, 60, 0.2)
    assert time.monotonic() - ended > 8, "the window was not waited for"
    quick.kubectl("delete", "hpa,deployment,service", "work", "--wait=false")


@contextmanager
def adapter_at(host: str, front_proxy: bytes, authority: CertificateAuthority) -> Iterator[tuple[Adapter, int]]:
    """An adapter in a thread of this process, and its port."""
    adapter, ports = Adapter(), list[int]()
    pair = authority.issue_server(["adapter.default.svc"])
    is_up, is_over = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with await serve(adapter.handle, host, tls=server_context(pair.certificate, pair.key, front_proxy)) as server:
            ports.append(server.port)
            is_up.set()
            await is_over.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert is_up.wait(10)
        yield adapter, ports[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(20)
        loop.close()


def register(instance: Instance, host: str, port: int, authority: CertificateAuthority) -> None:
    """The adapter as a Service of `default` without pods, for both APIs."""
    ports = [{"name": "https", "port": 443}]
    items: list[Any] = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter"}, "spec": {"ports": ports}}]
    labels = {"kubernetes.io/service-name": "adapter"}
    items.append(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "adapter-1", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port}],
            "endpoints": [{"addresses": [host]}],
        }
    )
    bundle = base64.b64encode(authority.certificate).decode()
    for group, version in ((CUSTOM, "v1beta2"), (EXTERNAL, "v1beta1")):
        spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": bundle}
        spec["service"] = {"namespace": "default", "name": "adapter"}
        metadata = {"name": f"{version}.{group}"}
        items.append({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": spec})
    instance.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    for item in items[2:]:
        instance.kubectl("wait", "--for=condition=Available", f"apiservice/{item['metadata']['name']}", "--timeout=30s")


def reports(instance: Instance, adapter: Adapter) -> None:
    """What each pod says of itself, as an adapter gathers it."""
    for pod in instance.get("pods", "-l", "app=report")["items"]:
        name, address = meta.name(pod), (pod.get("status") or {}).get("podIP")
        with suppress(OSError):
            if address:
                with urllib.request.urlopen(f"http://{address}:8080/report", timeout=2) as answer:
                    adapter.pods[name] = {"app": "report"}
                    adapter.of_pods.setdefault("backlog", {})[name] = answer.read().decode().strip()


def test_what_pods_report_to_an_adapter_and_a_queue_elsewhere_decide(quick: Instance, tmp_path: Path) -> None:
    quick.kubectl("apply", "-f", "-", input=json.dumps(work("report", REPORT.strip("; ") + "; " + SERVE_WORK)))
    quick.kubectl("rollout", "status", "deployment/report", "--timeout=60s")
    data = quick.get("configmap", "extension-apiserver-authentication", "-n", "kube-system")["data"]
    host = quick.get("endpoints", "kubernetes")["subsets"][0]["addresses"][0]["ip"]
    authority = CertificateAuthority.create(tmp_path)
    with adapter_at(host, data["requestheader-client-ca-file"].encode(), authority) as (adapter, port):
        register(quick, host, port, authority)
        reports(quick, adapter)
        metric = {"metric": {"name": "backlog"}, "target": {"type": "AverageValue", "averageValue": "10"}}
        spec: Object = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "report"},
            "minReplicas": 1,
            "maxReplicas": 4,
        }
        spec |= {"metrics": [{"type": "Pods", "pods": metric}]}
        hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "report"}, "spec": spec}
        quick.kubectl("apply", "-f", "-", input=json.dumps(hpa))
        eventually(lambda: ready(quick, "report") == 3, 40, 0.3)
        assert "backlog" in quick.kubectl("describe", "hpa", "report").stdout
        adapter.external["mails"] = [({}, "40")]
        queue = {"metric": {"name": "mails"}, "target": {"type": "AverageValue", "averageValue": "10"}}
        change = {"spec": {"metrics": [{"type": "External", "external": queue}]}}
        quick.kubectl("patch", "hpa", "report", "--type=merge", "-p", json.dumps(change))
        eventually(lambda: ready(quick, "report") == 4, 40, 0.3)
        assert "external metric mails" in quick.kubectl("describe", "hpa", "report").stdout
    eventually(lambda: condition(quick, "report", "ScalingActive")[0] == "False", 30, 0.5)
    assert quick.get("deployment", "report")["spec"]["replicas"] == 4
    quick.kubectl("get", "--raw", "/apis")
    assert "batch/v1" in quick.kubectl("api-versions").stdout
    quick.kubectl("delete", "apiservice", f"v1beta2.{CUSTOM}", f"v1beta1.{EXTERNAL}")
    quick.kubectl("delete", "hpa,deployment,service", "report", "--wait=false")


def test_an_app_follows_its_load_until_it_is_told_a_number(quick: Instance) -> None:
    spec = {"image": BUSYBOX, "port": 0, "command": ["/bin/sh", "-c", "while true; do :; done"], "resources": {"cpu": "100m"}}
    app = {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "metadata": {"name": "busy"}, "spec": spec}
    quick.kubectl("apply", "-f", "-", input=json.dumps(app))
    assert "2 to 3 replicas by CPU at 50%" in quick.ph("scale", "busy", "--min", "2", "--max", "3", "--cpu", "50%").stdout
    eventually(lambda: quick.get("app", "busy")["status"].get("readyReplicas") == 3, 60, 0.3)
    assert "web 3/3 (2 to 3 replicas by CPU at 50%)" in quick.ph("apps", "-o", "wide").stdout
    assert "does not scale with its load any more" in (done := quick.ph("scale", "busy=1")).stdout + done.stderr
    eventually(lambda: quick.kubectl("get", "hpa", "busy", check=False).returncode != 0, 20)
    assert quick.get("app", "busy")["status"]["readyReplicas"] == 1
    quick.ph("delete", "busy", "--yes", check=False)
