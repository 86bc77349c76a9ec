"""/metrics/resource: CPU time and working set of node, pods and containers, which is what autoscaling goes by. Pure.

Source: kubernetes pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from pilothouse.engine.node.stats.exposition.text import Family, text
from pilothouse.engine.node.stats.figures import ContainerFigures, Figures, PodFigures

NAMES = {
    "node_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the node in core-seconds"),
    "node_memory_working_set_bytes": ("gauge", "Current working set of the node in bytes"),
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the container in core-seconds"),
    "container_memory_working_set_bytes": ("gauge", "Current working set of the container in bytes"),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds"),
    "pod_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed by the pod in core-seconds"),
    "pod_memory_working_set_bytes": ("gauge", "Current working set of the pod in bytes"),
    "resource_scrape_error": ("gauge", "1 if there was an error while getting container metrics, 0 otherwise"),
}


def exposition(figures: Figures) -> str:
    families = {name: Family(name, *about) for name, about in NAMES.items()}
    node = figures.node
    families["node_cpu_usage_seconds_total"].add({}, node.cpu.total_ns / 1e9, node.taken_at)
    families["node_memory_working_set_bytes"].add({}, node.memory.working_set_bytes, node.taken_at)
    for pod in figures.pods:
        _add_pod(families, pod)
        for container in pod.containers:
            _add_container(families, pod, container)
    families["resource_scrape_error"].add({}, 0)
    return text(families.values())


def _add_pod(families: dict[str, Family], pod: PodFigures) -> None:
    labels = {"namespace": pod.namespace, "pod": pod.name}
    if pod.cpu is not None:
        families["pod_cpu_usage_seconds_total"].add(labels, pod.cpu.total_ns / 1e9, pod.taken_at)
    if pod.memory is not None:
        families["pod_memory_working_set_bytes"].add(labels, pod.memory.working_set_bytes, pod.taken_at)


def _add_container(families: dict[str, Family], pod: PodFigures, container: ContainerFigures) -> None:
    """One that does not run has no figures, and only those of its last life would be shown for it."""
    if container.cpu is None or container.memory is None:
        return
    labels = {"container": container.name, "namespace": pod.namespace, "pod": pod.name}
    families["container_cpu_usage_seconds_total"].add(labels, container.cpu.total_ns / 1e9, container.taken_at)
    families["container_memory_working_set_bytes"].add(labels, container.memory.working_set_bytes, container.taken_at)
    families["container_start_time_seconds"].add(labels, container.started_at)
