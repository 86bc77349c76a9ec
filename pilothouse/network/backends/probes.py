"""What this machine cannot do, of what a ClusterNetwork may ask for. Blocks."""

import shutil
from collections.abc import Iterator
from contextlib import suppress

from pilothouse.model.cluster_network import BGP, VXLAN, WIREGUARD
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.seam import BackendFailure
from pilothouse.network.backends.table import ip

SEARCHED = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def inabilities(config: BackendConfig) -> dict[str, str]:
    """By what it is that cannot be done: why, as the rest of a sentence about the node."""
    return dict(_inabilities(config))


def _inabilities(config: BackendConfig) -> Iterator[tuple[str, str]]:
    if why := _refuses(config, "vxlan", "id", "16777215", "dstport", "8472"):
        yield VXLAN, f"its kernel makes no VXLAN tunnels ({why})"
    if shutil.which("bird", path=SEARCHED) is None:
        yield BGP, "it has no BIRD: install Debian's package bird2"
    if why := _refuses(config, "wireguard"):
        yield WIREGUARD, f"its kernel has no WireGuard ({why})"
    elif shutil.which("wg", path=SEARCHED) is None:
        yield WIREGUARD, "it has no program wg: install Debian's package wireguard-tools"


def _refuses(config: BackendConfig, *kind: str) -> str:
    """What the kernel says to such a link; "" when it makes it."""
    name = f"phx-{config.instance}"
    try:
        ip("link", "add", name, "type", *kind)
    except BackendFailure as failure:
        if "exists" not in str(failure):
            return str(failure).rpartition("answers: ")[2].partition(":")[2].strip() or str(failure)
    # One that stays, or has stayed before, goes with the next start.
    with suppress(BackendFailure):
        ip("link", "delete", name)
    return ""
