"""Kernel parameters that pods set: how they are written, which leave other pods alone, and which an administrator allows beside.

Source: kubernetes pkg/kubelet/sysctl (allowlist, safe_sysctls, namespaces); component-helpers/node/util/sysctl.
"""

import re
from collections.abc import Sequence

SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
"""Namespaced, and without effect on other pods."""
NAMESPACED = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.", "net.")
"""How names begin that each pod has for itself; all others are the machine's."""
_PATTERN = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*(\.?[-_a-z0-9]*\*)?")


def dotted(name: str) -> str:
    """With dots between the parts. In a name that is written with slashes, a dot belongs to its part and becomes a slash."""
    first = next((character for character in name if character in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))


def is_allowed(name: str, patterns: Sequence[str] = ()) -> bool:
    """patterns: names, or beginnings of names that end with `*`, that are allowed beside the safe ones."""
    plain = dotted(name)
    return plain in SAFE or any(plain.startswith(each[:-1]) if each.endswith("*") else plain == each for each in patterns)


def wrong_pattern(pattern: str) -> str:
    """Why it cannot be allowed; "" when it can."""
    if not _PATTERN.fullmatch(pattern):
        return "is no name of a kernel parameter such as kernel.msgmax, nor the beginning of some such as net.core.*"
    if not pattern.rstrip("*").startswith(NAMESPACED) and pattern.rstrip("*") not in NAMESPACED:
        return f"is not known to be a pod's own; these are: {', '.join(each + '*' for each in NAMESPACED)}"
    return ""
