"""What is killed last when memory runs out: a control plane that goes takes more with it than any one container."""

from pathlib import Path

LAST = -900
"""Above sshd and the kernel's own (-1000), below every container: a Guaranteed pod's has -997 of its own, and is bounded by its limit."""


def protect(score: int = LAST) -> bool:
    """For this process and all it starts from here on. False where the kernel does not allow it (it takes CAP_SYS_RESOURCE)."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(score))
    except OSError:
        return False
    return True
