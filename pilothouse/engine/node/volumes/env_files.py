"""Reads the files that `env[].valueFrom.fileKeyRef` names. Blocking: called in a thread.

What lies in the volume is a container's to write: links do not lead out of it, a pipe or a device holds up nobody.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pilothouse.engine.node.files.beneath import BENEATH, FOLDER, open_beneath, opened
from pilothouse.engine.node.pod.env_file import MOST_BYTES
from pilothouse.engine.node.pod.environment import MOST_TOGETHER, ConfigMissing, FileName
from pilothouse.model.json import Object

READ = os.O_RDONLY | os.O_NONBLOCK


def named_files(container: Object) -> set[FileName]:
    references = [(variable.get("valueFrom") or {}).get("fileKeyRef") for variable in container.get("env") or ()]
    return {(each["volumeName"], each["path"]) for each in references if each}


def read_files(names: Iterable[FileName], volumes: Mapping[str, Path]) -> dict[FileName, str]:
    """The text of each; those that do not exist are left out. volumes: name -> where it is. Raises ConfigMissing for what is no file."""
    found: dict[FileName, str] = {}
    left = MOST_TOGETHER
    for volume, path in names:
        folder = volumes.get(volume)
        if folder is None:
            raise ConfigMissing(f'cannot find the volume "{volume}" that a fileKeyRef names')
        try:
            text = _read(folder, path)
        except OSError as error:
            why = "leaves its volume" if error.errno in (errno.EXDEV, errno.ELOOP) else f"cannot be read: {error.strerror}"
            raise ConfigMissing(f'file "{path}" of volume "{volume}" {why}') from error
        if text is not None:
            found[volume, path] = text
            left -= len(text)
        if left < 0:
            raise ConfigMissing(f"the files of variables hold more than {MOST_TOGETHER // 1024**2} MiB together; name fewer of them")
    return found


def _read(folder: Path, path: str) -> str | None:
    try:
        with (
            opened(os.open(folder, FOLDER)) as root,
            opened(open_beneath(root, path, READ, resolve=BENEATH)) as file,
        ):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            content = os.pread(file, MOST_BYTES + 1, 0)
    except FileNotFoundError:
        return None
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it holds more than {MOST_BYTES // 1024} KiB")
    return content.decode(errors="replace")
