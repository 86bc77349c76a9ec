"""What the node answers, and how it refuses."""

import json

import pytest

from tests.engine.apiserver.kubelet.conftest import Kubelet

ADMIN = {"user": "admin", "groups": ("pilothouse:admins",)}


async def page(kubelet: Kubelet, path: str, status: int = 200) -> str:
    answer = await kubelet.ask(path, **ADMIN)  # type: ignore[arg-type]
    assert answer.status == status, answer.body
    return answer.body.decode()


async def test_health_says_what_is_wrong(kubelet: Kubelet) -> None:
    assert await page(kubelet, "/healthz") == "ok"
    kubelet.host.sick = "the container runtime does not answer"
    assert "the container runtime does not answer" in await page(kubelet, "/healthz", 500)


@pytest.mark.parametrize("path", ["/pods", "/pods/", "/runningpods/"])
async def test_pods_are_a_list(kubelet: Kubelet, path: str) -> None:
    found = json.loads(await page(kubelet, path))
    assert (found["kind"], [each["metadata"]["name"] for each in found["items"]]) == ("PodList", ["p"])


async def test_the_summary_names_node_and_figures(kubelet: Kubelet) -> None:
    found = json.loads(await page(kubelet, "/stats/summary"))
    assert found["node"]["nodeName"] == "n1"
    assert found["node"]["fs"]["availableBytes"] == 80 << 30
    lean = json.loads(await page(kubelet, "/stats/summary?only_cpu_and_memory=true"))
    assert set(lean["node"]) == {"nodeName", "startTime", "cpu", "memory"}


async def test_metrics_have_the_names_that_are_asked_for(kubelet: Kubelet) -> None:
    assert "kubelet_running_pods 1" in await page(kubelet, "/metrics")
    assert "node_cpu_usage_seconds_total" in await page(kubelet, "/metrics/resource")
    assert 'container_cpu_usage_seconds_total{container="",id="/"' in await page(kubelet, "/metrics/cadvisor")
    assert "prober_probe_total" in await page(kubelet, "/metrics/probes")


async def test_the_configuration_is_shown(kubelet: Kubelet) -> None:
    found = json.loads(await page(kubelet, "/configz"))["kubeletconfig"]
    assert found["evictionHard"]["imagefs.available"] == "5%"
    assert found["authentication"]["anonymous"] == {"enabled": False}


async def test_a_log_is_read_by_the_pods_name(kubelet: Kubelet) -> None:
    assert await page(kubelet, "/containerLogs/default/p/c?tailLines=3") == "c tail=3\n"
    assert 'pod "q" does not exist' in await page(kubelet, "/containerLogs/default/q/c", 404)
    assert 'container "d" not found' in await page(kubelet, "/containerLogs/default/p/d", 404)
    assert "is no number" in await page(kubelet, "/containerLogs/default/p/c?tailLines=x", 400)


async def test_a_program_is_run_to_its_end(kubelet: Kubelet) -> None:
    ran = await kubelet.ask("/run/default/p/c?cmd=echo+hello", method="POST", **ADMIN)  # type: ignore[arg-type]
    assert (ran.status, ran.body) == (200, b"echo hello\n")
    failed = await kubelet.ask("/run/default/p/u1/c?cmd=false", method="POST", **ADMIN)  # type: ignore[arg-type]
    assert failed.status == 500
    assert b"exited with 1" in failed.body


@pytest.mark.parametrize(
    ("path", "method", "status", "said"),
    [
        ("/logs/", "GET", 405, b"logs endpoint is disabled."),
        ("/nosuch", "GET", 404, b"404 page not found"),
        ("/stats/../exec/default/p/c", "GET", 404, b"404 page not found"),
        ("/pods", "POST", 405, b"Method Not Allowed"),
        ("/debug/pprof/heap", "GET", 405, b"endpoints are disabled."),
        ("/checkpoint/default/p/c", "POST", 501, b"checkpointing of default/p/c failed: this node takes no checkpoints"),
        ("/checkpoint/default/q/c", "POST", 404, b'pod "q" does not exist'),
        ("/run/default/p/c?cmd=id", "GET", 405, b"Method Not Allowed"),
        ("/exec/default/p/c?command=id&output=1", "POST", 400, b"Upgrade: SPDY/3.1"),
        ("/exec/default/p/c?command=id&output=1", "GET", 400, b"Upgrade: SPDY/3.1"),
        ("/exec/default/p/c?output=1", "POST", 400, b"command is missing"),
        ("/exec/default/p/c?command=id", "POST", 400, b"at least 1 of stdin, stdout, stderr"),
        ("/attach/default/p/c", "GET", 400, b"at least 1 of stdin, stdout, stderr"),
        ("/portForward/default/p", "POST", 400, b"Upgrade: SPDY/3.1"),
        ("/exec/default/p", "POST", 404, b"404 page not found"),
    ],
)
async def test_what_is_not_served_is_refused(kubelet: Kubelet, path: str, method: str, status: int, said: bytes) -> None:
    answer = await kubelet.ask(path, method=method, **ADMIN)  # type: ignore[arg-type]
    assert answer.status == status
    assert said in answer.body


async def test_while_no_agent_runs_the_node_says_so(kubelet: Kubelet) -> None:
    kubelet.api.host = None
    assert "agent is not running" in await page(kubelet, "/pods", 503)
