"""Whether this kernel goes by SELinux labels. Where it does, a pod that asks for some must not run without them."""

from pathlib import Path

_FILE = Path("/sys/fs/selinux/enforce")
"""There once a policy is loaded, whether it is enforced or only logs."""


def is_enabled(file: Path = _FILE) -> bool:
    return file.exists()
