"""The answer to /stats/summary. Pure.

Source: k8s.io/kubelet/pkg/apis/stats/v1alpha1. What is not known is left out, as upstream leaves out what it has not got.
"""

from collections.abc import Iterator, Sequence

from pilothouse.engine.node.stats.figures import (
    ContainerFigures,
    Cpu,
    Disk,
    Figures,
    Filesystem,
    Interface,
    Memory,
    NodeFigures,
    PodFigures,
)
from pilothouse.model import meta
from pilothouse.model.json import Object


def summary(figures: Figures, *, only_cpu_and_memory: bool = False) -> Object:
    node = _node(figures.node)
    pods = [_pod(each, figures.node) for each in figures.pods]
    if only_cpu_and_memory:
        node = _only(node, ("nodeName", "startTime", "cpu", "memory"))
        pods = [_only(pod, ("podRef", "startTime", "cpu", "memory")) | {"containers": _lean(pod)} for pod in pods]
    return {"node": node, "pods": pods}


def _only(value: Object, names: Sequence[str]) -> Object:
    return {name: value[name] for name in names if name in value}


def _lean(pod: Object) -> list[Object]:
    return [_only(each, ("name", "startTime", "cpu", "memory")) for each in pod["containers"]]


def _node(node: NodeFigures) -> Object:
    at = meta.rfc3339(node.taken_at)
    image_fs = _filesystem(node.image_fs, at)
    return {
        "nodeName": node.name,
        "startTime": meta.rfc3339(node.booted_at),
        "cpu": _cpu(node.cpu, at),
        "memory": _memory(node.memory, at),
        **({"network": _network(node.interfaces, at)} if node.interfaces else {}),
        "fs": _filesystem(node.fs, at),
        "runtime": {"imageFs": image_fs | {"usedBytes": node.image_bytes}, "containerFs": image_fs},
        "rlimit": {"time": at, "maxpid": node.most_processes, "curproc": node.processes},
    }


def _pod(pod: PodFigures, node: NodeFigures) -> Object:
    at = meta.rfc3339(pod.taken_at)
    found: Object = {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": meta.rfc3339(pod.started_at),
        "containers": [_container(each, node) for each in pod.containers],
        "ephemeral-storage": _disk(pod.disk, node.fs, at),
    }
    if pod.cpu is not None:
        found["cpu"] = _cpu(pod.cpu, at)
    if pod.memory is not None:
        found["memory"] = _memory(pod.memory, at)
    if pod.interfaces:
        found["network"] = _network(pod.interfaces, at)
    if volumes := [*(_disk(disk, node.fs, at) | {"name": name} for name, disk in sorted(pod.volumes.items())), *_rooms(pod, at)]:
        found["volume"] = volumes
    if pod.processes is not None:
        found["process_stats"] = {"process_count": pod.processes}
    return found


def _container(container: ContainerFigures, node: NodeFigures) -> Object:
    at = meta.rfc3339(container.taken_at)
    found: Object = {"name": container.name, "startTime": meta.rfc3339(container.started_at)}
    if container.cpu is not None:
        found["cpu"] = _cpu(container.cpu, at)
    if container.memory is not None:
        found["memory"] = _memory(container.memory, at)
    if container.rootfs is not None:
        found["rootfs"] = _disk(container.rootfs, node.image_fs, at)
    if container.logs is not None:
        found["logs"] = _disk(container.logs, node.fs, at)
    return found


def _cpu(cpu: Cpu, at: str) -> Object:
    rate = {} if cpu.nanocores is None else {"usageNanoCores": cpu.nanocores}
    return {"time": at, **rate, "usageCoreNanoSeconds": cpu.total_ns}


def _memory(memory: Memory, at: str) -> Object:
    available = {} if memory.available_bytes is None else {"availableBytes": memory.available_bytes}
    return {
        "time": at,
        **available,
        "usageBytes": memory.usage_bytes,
        "workingSetBytes": memory.working_set_bytes,
        "rssBytes": memory.rss_bytes,
        "pageFaults": memory.page_faults,
        "majorPageFaults": memory.major_page_faults,
    }


def _filesystem(fs: Filesystem, at: str) -> Object:
    room = {"time": at, "availableBytes": fs.available_bytes, "capacityBytes": fs.capacity_bytes, "usedBytes": fs.used_bytes}
    return room | {"inodesFree": fs.inodes_free, "inodes": fs.inodes, "inodesUsed": fs.inodes_used}


def _disk(disk: Disk, on: Filesystem, at: str) -> Object:
    return _filesystem(on, at) | {"usedBytes": disk.used_bytes, "inodesUsed": disk.inodes}


def _rooms(pod: PodFigures, at: str) -> Iterator[Object]:
    for each in pod.rooms:
        room = each.room
        shown: Object = {"time": at, "name": each.name}
        shown |= {"capacityBytes": room.capacity_bytes, "availableBytes": room.available_bytes, "usedBytes": room.used_bytes}
        if room.inodes:
            shown |= {"inodes": room.inodes, "inodesFree": room.inodes_free, "inodesUsed": room.inodes_used}
        if each.claim:
            shown["pvcRef"] = {"name": each.claim, "namespace": pod.namespace}
        if room.abnormal is not None:
            shown["volumeHealthStats"] = {"abnormal": bool(room.abnormal)}
        yield shown


def _network(interfaces: Sequence[Interface], at: str) -> Object:
    """The first interface stands for the whole, too: a pod has one."""
    shown = [_interface(each) for each in interfaces]
    return {"time": at, **shown[0], "interfaces": shown}


def _interface(found: Interface) -> Object:
    received = {"name": found.name, "rxBytes": found.rx_bytes, "rxErrors": found.rx_errors}
    return received | {"txBytes": found.tx_bytes, "txErrors": found.tx_errors}
