"""Which versions of base images detection may choose from on this machine."""

from pilothouse.oci.packages.release import UnknownRelease, suite
from pilothouse.platform.builds.stand_ins.choose import families, versions


def offered() -> dict[str, tuple[str, ...]]:
    """By image, the machine's own version first; {} on a machine whose packages make no stand-ins."""
    try:
        host = suite()
    except (UnknownRelease, OSError):
        return {}
    return {family: versions(family, host) for family in families(host)}
