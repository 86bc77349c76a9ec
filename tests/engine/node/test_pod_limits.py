"""What a pod as a whole may use, on the node."""

from pathlib import Path

import pytest

from pilothouse.engine.node.host import pod_limits
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import Facts, environment
from pilothouse.engine.node.request.container import resources
from pilothouse.engine.node.request.resources import of_sandbox
from tests.engine.node.builders import pod, spec

GI = 1024**3
WHOLE = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}


def test_the_pods_weight_is_what_it_requests_as_a_whole() -> None:
    asks = spec(resources={"requests": {"cpu": "100m"}})
    assert podspec.pod_cpu_shares(pod(asks, resources=WHOLE)) == 512
    assert podspec.pod_cpu_shares(pod(asks)) == 102


def test_containers_that_request_nothing_share_what_the_pod_requests() -> None:
    asks, quiet, other = spec("a", resources={"requests": {"memory": "256Mi"}}), spec("b"), spec("c")
    whole = pod(asks, quiet, other, resources=WHOLE)
    assert podspec.requested_memory(whole, asks) == 256 * 1024**2
    assert podspec.requested_memory(whole, quiet) == 128 * 1024**2
    assert podspec.requested_memory(pod(quiet), quiet) == 0
    whole["status"] = {"qosClass": "Burstable"}
    assert resources(whole, quiet, GI).oom_score_adj == 875


def test_a_container_without_a_limit_sees_that_of_its_pod() -> None:
    reference = {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}
    wanted = spec(env=[reference])
    facts = Facts(allocatable={"memory": "4Gi"})
    assert environment(pod(wanted, resources=WHOLE), wanted, facts) == {"M": str(512 * 1024**2)}
    assert environment(pod(wanted), wanted, facts) == {"M": str(4 * GI)}


CGROUP, MIB = "/x/podu1", 1024**2


def test_limits_are_the_cgroups_on_either_version(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    two.mkdir()
    pod_limits.write_v1(one, CGROUP, 250, 64 * MIB)
    assert (one / "cpu/x/podu1/cpu.cfs_quota_us").read_text() == "25000"
    assert (one / "memory/x/podu1/memory.limit_in_bytes").read_text() == "67108864"
    pod_limits.write_v2(two, CGROUP, 250, 64 * MIB)
    assert (two / "x/podu1/cpu.max").read_text() == "25000 100000"
    assert (two / "x/podu1/memory.max").read_text() == "67108864"


def test_what_is_not_limited_is_left_alone(tmp_path: Path) -> None:
    pod_limits.write_v1(tmp_path, CGROUP, 0, 64 * MIB)
    assert not (tmp_path / "cpu").exists()


def test_a_limit_that_cannot_be_set_is_said(tmp_path: Path) -> None:
    (tmp_path / "cpu/x/podu1/cpu.cfs_period_us").mkdir(parents=True)
    with pytest.raises(OSError, match=r"the limit of the pod cannot be set: cpu\.cfs_period_us: Is a directory"):
        pod_limits.write_v1(tmp_path, CGROUP, 250, 0)


def test_the_overhead_of_a_pods_runtime_counts_in_its_cgroup() -> None:
    asks = spec(resources={"requests": {"cpu": "100m", "memory": "10Mi"}, "limits": {"memory": "20Mi"}})
    extra = {"cpu": "400m", "memory": "30Mi"}
    assert podspec.pod_cpu_shares(pod(asks, overhead=extra)) == 512
    assert podspec.request(pod(asks, overhead=extra), "memory") == 40 << 20
    limited = pod(asks, resources={"limits": {"cpu": "1", "memory": "64Mi"}}, overhead=extra)
    assert podspec.cgroup_limit(limited, "cpu").milli_value == 1400
    assert podspec.cgroup_limit(limited, "memory").value == 94 << 20
    assert podspec.cgroup_limit(pod(asks, overhead=extra), "memory").value == 0
    assert podspec.qos_class(pod(spec(), overhead=extra)) == "BestEffort"


def test_the_runtime_is_told_what_the_containers_may_use_and_what_it_may_itself() -> None:
    asks = spec(resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "20Mi"}})
    whole, extra = of_sandbox(pod(asks, spec("more"), overhead={"cpu": "400m", "memory": "30Mi"}))
    assert (whole.cpu_shares, whole.cpu_quota, whole.memory_limit_in_bytes) == (102, 20_000, 20 << 20)
    assert extra is not None
    assert (extra.cpu_shares, extra.cpu_quota, extra.memory_limit_in_bytes) == (409, 40_000, 30 << 20)
    assert of_sandbox(pod(asks))[1] is None
