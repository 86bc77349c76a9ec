"""What this process may do, as the kernel says."""

from pathlib import Path


def has_capability(number: int) -> bool:
    """Whether this process holds a capability effectively."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
