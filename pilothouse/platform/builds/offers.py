"""Which versions of base images detection may choose from on this machine."""

from pilothouse.platform.builds.bases import BaseError, suite
from pilothouse.platform.builds.stand_ins.choose import families, versions


def offered() -> dict[str, tuple[str, ...]]:
    """By image, the machine's own version first; {} on a machine whose packages make no stand-ins."""
    try:
        host = suite()
    except (BaseError, OSError):
        return {}
    return {family: versions(family, host) for family in families(host)}
