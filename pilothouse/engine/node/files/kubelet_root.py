"""The folder that stands for /var/lib/kubelet on this node: pods, drivers and their registrations. Blocking: called in a thread.

Pods of storage drivers have parts of it as hostPath volumes, and what a driver mounts in its container appears on the node only where
mounts are shared.
"""

import structlog

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import share

log = structlog.get_logger("node.kubelet_root")


def open_root(config: NodeConfig) -> None:
    """Made, and shared where the machine lets us. Before any pod is started; may be repeated. Raises OSError."""
    _take_over(config)
    # On the node nobody but root gets as far as to volumes and sockets.
    for folder in (config.kubelet_dir, config.pods_dir, config.plugins_dir, config.registrations_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder.chmod(0o750)
    try:
        is_shared = share(config.kubelet_dir)
    except OSError as error:
        log.warning("mounts of pods do not appear on the node", folder=str(config.kubelet_dir), why=error.strerror)
        return
    if not is_shared:
        log.warning("mounts of pods appear on the node after the next start without pods", folder=str(config.kubelet_dir))


def _take_over(config: NodeConfig) -> None:
    """The folders of pods of an earlier release, in one step, with all that is mounted below them."""
    before = config.home / "pods"
    if before.is_dir() and not config.pods_dir.exists():
        config.kubelet_dir.mkdir(mode=0o750, exist_ok=True)
        before.rename(config.pods_dir)
