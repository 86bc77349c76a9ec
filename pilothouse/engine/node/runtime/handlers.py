"""Low-level runtimes that containerd is configured with: runc, and those others that are installed, by the names they go by.

A RuntimeClass whose `handler` is such a name runs pods under it.
"""

import shutil
from collections.abc import Iterator

_OCI = "io.containerd.runc.v2"
_PROGRAMS = {"crun": "crun", "youki": "youki", "nvidia": "nvidia-container-runtime"}
"""Name of the handler -> a program that takes runc's arguments."""
_SHIMS = {"runsc": ("containerd-shim-runsc-v1", "io.containerd.runsc.v1"), "kata": ("containerd-shim-kata-v2", "io.containerd.kata.v2")}
"""Name of the handler -> a shim of its own, and how containerd calls it."""


def installed(*, systemd: bool) -> dict[str, str]:
    """Handler -> its part of containerd's configuration, without runc's. Looks at the PATH.

    systemd: it keeps the cgroups, so programs are told to ask it for them.
    """
    return dict(_found(systemd))


def _found(systemd: bool) -> Iterator[tuple[str, str]]:
    for handler, program in _PROGRAMS.items():
        if path := shutil.which(program):
            options = f'  BinaryName = "{path}"\n  SystemdCgroup = {str(systemd).lower()}\n'
            yield handler, f'{_section(handler)}\n  runtime_type = "{_OCI}"\n\n{_section(f"{handler}.options")}\n{options}'
    for handler, (shim, type) in _SHIMS.items():
        if shutil.which(shim):
            yield handler, f'{_section(handler)}\n  runtime_type = "{type}"\n'


def _section(name: str) -> str:
    return f'[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]'
