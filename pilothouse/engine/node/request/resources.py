"""Amounts of CPU and memory as the runtime is told them. Pure."""

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity

CPU_PERIOD_US = 100_000
MIN_QUOTA_US = 1_000
MOST = 2**63 - 1
"""What CRI can say; quantities have no bound."""


def linux_resources(cpu_milli: int, cpu_limit: Quantity | None, memory_limit: Quantity | None) -> api.LinuxContainerResources:
    """cpu_milli: what is asked for. A limit of None or 0 is none."""
    result = api.LinuxContainerResources(cpu_shares=podspec.cpu_shares(cpu_milli))
    if cpu_limit is not None and cpu_limit.amount > 0:
        result.cpu_period = CPU_PERIOD_US
        result.cpu_quota = min(MOST, max(MIN_QUOTA_US, cpu_limit.milli_value * CPU_PERIOD_US // 1000))
    if memory_limit is not None and memory_limit.amount > 0:
        result.memory_limit_in_bytes = result.memory_swap_limit_in_bytes = min(MOST, memory_limit.value)
    return result


def of_sandbox(pod: Object) -> tuple[api.LinuxContainerResources, api.LinuxContainerResources | None]:
    """What the pod's containers may use in all, and what its runtime needs beside them: a virtual machine is made as large.

    Source: kubelet/kuberuntime, applySandboxResources.
    """
    extra = podspec.overhead(pod, "cpu")
    asked = podspec.request(pod, "cpu", milli=True) - extra.milli_value
    whole = linux_resources(asked, podspec.limit(pod, "cpu"), podspec.limit(pod, "memory"))
    if not podspec.spec(pod).get("overhead"):
        return whole, None
    return whole, linux_resources(extra.milli_value, extra, podspec.overhead(pod, "memory"))
