"""Whether a link drops packets of senders that this machine would answer by another link (rp_filter, of IPv4 alone). Blocks.

Of `all` and the link's own the larger value counts: 1 drops, 2 lets pass whoever is reached by any link.
Source: Linux, Documentation/networking/ip-sysctl.rst; RFC 3704, sections 2.2 and 2.4.
"""

from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger("network.backends")
_SETTINGS = Path("/proc/sys/net/ipv4/conf")
_STRICT, _LOOSE = 1, 2


def loosen(link: str) -> None:
    """For a link of ours: packets of one node may come by it and past it while the setting changes.

    Distributions set the value for each link that comes, a moment after it has come. Where it cannot be written it stays.
    """
    try:
        if _of(link) != _LOOSE:
            (_SETTINGS / link / "rp_filter").write_text(f"{_LOOSE}\n")
    except OSError as error:
        log.warning("packets that come by another way than before are dropped", link=link, why=str(error))


def is_strict(link: str) -> bool:
    """False for a link that is not there."""
    with suppress(OSError, ValueError):
        return max(_of("all"), _of(link)) == _STRICT
    return False


def _of(link: str) -> int:
    return int((_SETTINGS / link / "rp_filter").read_text())
