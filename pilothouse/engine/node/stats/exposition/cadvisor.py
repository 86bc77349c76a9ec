"""/metrics/cadvisor: the names that dashboards ask for, of containers, pods (container="") and the node (id="/"). Pure.

Source: cadvisor metrics/prometheus.go, with the labels that upstream's kubelet adds.
"""

import os
from collections.abc import Iterable

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.exposition.text import Family, text
from pilothouse.engine.node.stats.figures import ContainerFigures, Cpu, Disk, Figures, Filesystem, Interface, Memory, PodFigures

NAMES = {
    "container_cpu_usage_seconds_total": ("counter", "Cumulative cpu time consumed in seconds."),
    "container_cpu_cfs_periods_total": ("counter", "Number of elapsed enforcement period intervals."),
    "container_cpu_cfs_throttled_periods_total": ("counter", "Number of throttled period intervals."),
    "container_cpu_cfs_throttled_seconds_total": ("counter", "Total time duration the container has been throttled."),
    "container_memory_working_set_bytes": ("gauge", "Current working set in bytes."),
    "container_memory_usage_bytes": ("gauge", "Current memory usage in bytes, including all memory regardless of when it was accessed"),
    "container_memory_rss": ("gauge", "Size of RSS in bytes."),
    "container_memory_cache": ("gauge", "Number of bytes of page cache memory."),
    "container_memory_failures_total": ("counter", "Cumulative count of memory allocation failures."),
    "container_fs_usage_bytes": ("gauge", "Number of bytes that are consumed by the container on this filesystem."),
    "container_fs_limit_bytes": ("gauge", "Number of bytes that can be consumed by the container on this filesystem."),
    "container_fs_inodes_free": ("gauge", "Number of available Inodes"),
    "container_fs_inodes_total": ("gauge", "Number of Inodes"),
    "container_network_receive_bytes_total": ("counter", "Cumulative count of bytes received"),
    "container_network_receive_packets_total": ("counter", "Cumulative count of packets received"),
    "container_network_receive_errors_total": ("counter", "Cumulative count of errors encountered while receiving"),
    "container_network_receive_packets_dropped_total": ("counter", "Cumulative count of packets dropped while receiving"),
    "container_network_transmit_bytes_total": ("counter", "Cumulative count of bytes transmitted"),
    "container_network_transmit_packets_total": ("counter", "Cumulative count of packets transmitted"),
    "container_network_transmit_errors_total": ("counter", "Cumulative count of errors encountered while transmitting"),
    "container_network_transmit_packets_dropped_total": ("counter", "Cumulative count of packets dropped while transmitting"),
    "container_processes": ("gauge", "Number of processes running inside the container."),
    "container_start_time_seconds": ("gauge", "Start time of the container since unix epoch in seconds."),
    "container_last_seen": ("gauge", "Last time a container was seen by the exporter"),
    "container_spec_memory_limit_bytes": ("gauge", "Memory limit for the container."),
    "container_spec_cpu_shares": ("gauge", "CPU share of the container."),
    "machine_cpu_cores": ("gauge", "Number of logical CPU cores."),
    "machine_memory_bytes": ("gauge", "Amount of memory installed on the machine."),
}
_DIRECTIONS = {"receive": "rx", "transmit": "tx"}
_COUNTED = {"bytes": "bytes", "packets": "packets", "errors": "errors", "packets_dropped": "dropped"}


class _Page:
    def __init__(self) -> None:
        self.families = {name: Family(name, *about) for name, about in NAMES.items()}

    def add(self, name: str, labels: dict[str, str], value: float, at: float | None = None) -> None:
        self.families[name].add(labels, value, at)

    def cpu(self, labels: dict[str, str], cpu: Cpu, at: float) -> None:
        self.add("container_cpu_usage_seconds_total", labels | {"cpu": "total"}, cpu.total_ns / 1e9, at)

    def memory(self, labels: dict[str, str], memory: Memory, at: float) -> None:
        self.add("container_memory_working_set_bytes", labels, memory.working_set_bytes, at)
        self.add("container_memory_usage_bytes", labels, memory.usage_bytes, at)
        self.add("container_memory_rss", labels, memory.rss_bytes, at)
        if memory.cache_bytes is not None:
            self.add("container_memory_cache", labels, memory.cache_bytes, at)
        for kind, count in (("pgfault", memory.page_faults), ("pgmajfault", memory.major_page_faults)):
            self.add("container_memory_failures_total", labels | {"failure_type": kind, "scope": "container"}, count, at)

    def disk(self, labels: dict[str, str], disk: Disk, on: Filesystem, at: float) -> None:
        labels = labels | {"device": _device(on)}
        self.add("container_fs_usage_bytes", labels, disk.used_bytes, at)
        self.add("container_fs_limit_bytes", labels, on.capacity_bytes, at)
        self.add("container_fs_inodes_free", labels, on.inodes_free, at)
        self.add("container_fs_inodes_total", labels, on.inodes, at)

    def network(self, labels: dict[str, str], interfaces: Iterable[Interface], at: float) -> None:
        for each in interfaces:
            for direction, short in _DIRECTIONS.items():
                for what, counted in _COUNTED.items():
                    value = getattr(each, f"{short}_{counted}")
                    self.add(f"container_network_{direction}_{what}_total", labels | {"interface": each.name}, value, at)


def exposition(figures: Figures) -> str:
    page = _Page()
    _add_node(page, figures)
    for pod in figures.pods:
        _add_pod(page, pod)
        for container in pod.containers:
            _add_container(page, figures, pod, container)
    return text(page.families.values())


def _labels(*, id: str, container: str = "", image: str = "", name: str = "", namespace: str = "", pod: str = "") -> dict[str, str]:
    return {"container": container, "id": id, "image": image, "name": name, "namespace": namespace, "pod": pod}


def _add_node(page: _Page, figures: Figures) -> None:
    node, labels = figures.node, _labels(id="/")
    at = node.taken_at
    page.cpu(labels, node.cpu, at)
    page.memory(labels, node.memory, at)
    page.network(labels, node.interfaces, at)
    page.disk(labels, Disk(node.fs.used_bytes, node.fs.inodes_used), node.fs, at)
    page.add("container_last_seen", labels, int(at), at)
    page.add("container_start_time_seconds", labels, node.booted_at, at)
    page.add("container_processes", labels, node.processes, at)
    page.add("machine_cpu_cores", {}, node.processors)
    page.add("machine_memory_bytes", {}, node.memory_capacity_bytes)


def _add_pod(page: _Page, pod: PodFigures) -> None:
    labels, at = _labels(id=f"/pod{pod.uid}", namespace=pod.namespace, pod=pod.name), pod.taken_at
    if pod.cpu is not None:
        page.cpu(labels, pod.cpu, at)
    if pod.memory is not None:
        page.memory(labels, pod.memory, at)
    if pod.processes is not None:
        page.add("container_processes", labels, pod.processes, at)
    page.network(labels, pod.interfaces, at)
    page.add("container_last_seen", labels, int(at), at)


def _add_container(page: _Page, figures: Figures, pod: PodFigures, container: ContainerFigures) -> None:
    if container.cpu is None or container.memory is None:
        return
    labels = _labels(
        id=f"/pod{pod.uid}/{container.id}",
        container=container.name,
        image=container.image,
        name=container.id,
        namespace=pod.namespace,
        pod=pod.name,
    )
    at = container.taken_at
    page.cpu(labels, container.cpu, at)
    page.memory(labels, container.memory, at)
    if container.rootfs is not None:
        page.disk(labels, container.rootfs, figures.node.image_fs, at)
    if (waited := container.throttling) is not None:
        page.add("container_cpu_cfs_periods_total", labels, waited.periods, at)
        page.add("container_cpu_cfs_throttled_periods_total", labels, waited.throttled, at)
        page.add("container_cpu_cfs_throttled_seconds_total", labels, waited.throttled_ns / 1e9, at)
    page.add("container_last_seen", labels, int(at), at)
    page.add("container_start_time_seconds", labels, container.started_at, at)
    _add_spec(page, labels, pod, container, at)


def _add_spec(page: _Page, labels: dict[str, str], pod: PodFigures, container: ContainerFigures, at: float) -> None:
    spec = podspec.container_named(pod.pod, container.name)
    if spec is None:
        return
    memory, cpu = podspec.amount(spec, "limits", "memory"), podspec.amount(spec, "requests", "cpu")
    page.add("container_spec_memory_limit_bytes", labels, 0 if memory is None else memory.value, at)
    page.add("container_spec_cpu_shares", labels, podspec.cpu_shares(0 if cpu is None else cpu.milli_value), at)


def _device(fs: Filesystem) -> str:
    return f"{os.major(fs.device)}:{os.minor(fs.device)}"
