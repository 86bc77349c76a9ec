"""Links by which log agents find the logs of containers: one a container, named after its pod, namespace and name.

They lead to where a pod finds the logs of its node (see `own_folders`), so on the machine itself they lead nowhere. A link
is made when its container starts; each round of the housekeeping makes those that are missing and removes those whose log is gone.
Blocking: called in a thread. Source: kubernetes pkg/kubelet/kuberuntime (logSymlink, evictPodLogsDirectories).
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from pilothouse.engine.node.config import PODS_LOGS, NodeConfig
from pilothouse.model import meta
from pilothouse.model.json import Object

LONGEST_NAME = 255
"""Of a file: what is too long loses its end, as upstream."""


@dataclass(frozen=True, slots=True)
class LogLink:
    """name: of the link in `NodeConfig.log_links_dir`. log: path below the folder of all pods' logs."""

    name: str
    log: str


def log_link(pod: Object, container: str, id: str, attempt: int) -> LogLink:
    """id: the runtime's of the container. attempt: how often the container was started before."""
    name, namespace, end = meta.name(pod), meta.namespace(pod), ".log"
    begin = f"{name}_{namespace}_{container}-{id}"[: LONGEST_NAME - len(end)]
    return LogLink(begin + end, f"{namespace}_{name}_{meta.uid(pod)}/{container}/{attempt}.log")


def make_links(config: NodeConfig, links: Iterable[LogLink]) -> None:
    """Those whose log is there. Raises OSError."""
    for each in links:
        if (config.logs_dir / each.log).exists():
            with suppress(FileExistsError):
                (config.log_links_dir / each.name).symlink_to(f"{PODS_LOGS}/{each.log}")


def remove_dead_links(config: NodeConfig) -> None:
    """Raises OSError."""
    for link in config.log_links_dir.glob("*.log"):
        target = link.readlink() if link.is_symlink() else None
        if target is not None and target.is_relative_to(PODS_LOGS) and not (config.logs_dir / target.relative_to(PODS_LOGS)).exists():
            link.unlink(missing_ok=True)
