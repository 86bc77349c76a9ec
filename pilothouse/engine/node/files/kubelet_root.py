"""The folder that stands for /var/lib/kubelet on this node: pods, drivers and their registrations. Blocking: called in a thread.

Pods of storage drivers have parts of it as hostPath volumes, and what a driver mounts in its container appears on the node only where
mounts are shared. Where the machine's are not, the folder becomes a mount of its own that is; nothing of the machine's is changed.
"""

import contextlib
import os
from pathlib import Path

import structlog

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.mountpoints import bind, is_bound, is_shared, mounts_below, share, unmount_open
from pilothouse.engine.node.files.trees import copy

log = structlog.get_logger("node.kubelet_root")


def open_root(config: NodeConfig) -> None:
    """Made, and shared where the machine lets us. Before any pod is started; may be repeated. Raises OSError."""
    _take_over(config)
    # On the node nobody but root gets as far as to volumes and sockets.
    for folder in (config.kubelet_dir, config.pods_dir, config.plugins_dir, config.registrations_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder.chmod(0o750)
    try:
        _share(config.kubelet_dir)
    except OSError as error:
        log.warning("mounts of pods do not appear on the node", folder=str(config.kubelet_dir), why=error.strerror)


def _take_over(config: NodeConfig) -> None:
    """The folders of pods of an earlier release, in one step, with all that is mounted below them."""
    before = config.home / "pods"
    if before.is_dir() and not config.pods_dir.exists():
        config.kubelet_dir.mkdir(mode=0o750, exist_ok=True)
        before.rename(config.pods_dir)


def _share(folder: Path) -> None:
    if is_shared(folder):
        return
    if not is_bound(folder):
        _bind_to_itself(folder)
    share(folder)


def _bind_to_itself(folder: Path) -> None:
    """With all that is mounted below, which is seen in the same moment; what lies under that now goes."""
    inner = mounts_below(folder)
    with contextlib.ExitStack() as held:
        root = held.enter_context(opened(os.open(folder, FOLDER)))
        covered = [held.enter_context(opened(os.open(each, os.O_PATH | os.O_CLOEXEC))) for each in inner]
        if not inner:
            bind(root, folder)
            return
        copy(root, folder)
        for each in covered:
            unmount_open(each)
