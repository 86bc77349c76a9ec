"""Paths of the machine that here are a node's own: its pods' logs, and what else `NodeConfig.own_folders` names.

Several nodes may share a machine, so a node keeps its logs in its home, while pods that gather logs look for them where they are
everywhere else. Such a pod gets its own node's folder under the path that it asks for, and, where it asks for a folder above
(`/var/log`), finds it there inside. On the machine that path is an empty folder: nothing is written to it.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath


def own_folder(path: str, owned: Mapping[str, Path]) -> Path | None:
    """The node's own folder (or a part of it) that a path of the machine means; None when the path means itself.

    owned: path as pods call it -> folder of the node.
    """
    asked = PurePosixPath(path)
    for name, folder in owned.items():
        if asked.is_relative_to(name):
            return folder / asked.relative_to(name)
    return None


def folders_below(path: str, owned: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """(path from there, folder of the node) of all that a pod would look for inside of a path of the machine."""
    asked = PurePosixPath(path)
    for name, folder in owned.items():
        if name != str(asked) and PurePosixPath(name).is_relative_to(asked):
            yield str(PurePosixPath(name).relative_to(asked)), folder


def make_mountpoint(path: Path) -> bool:
    """Makes the folder that something can be mounted on; False where the machine has none and allows none."""
    with suppress(OSError):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path.is_dir()
