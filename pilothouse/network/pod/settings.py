"""Settings of the kernel that pods need and that are not a link's own: whether this host forwards, and how long it knows connections.

All instances of a machine share them, so what they were before the first instance came is kept in files that all instances share.
A host that forwards IPv6 does not believe routers any more (`accept_ra` 1 means: while not forwarding). Where its links did so far they go
on doing so with 2, or the host would lose its own default route within minutes. Source: Linux, Documentation/networking/ip-sysctl.rst.
"""

import contextlib
import json
from pathlib import Path

IPV4, IPV6 = Path("/proc/sys/net/ipv4"), Path("/proc/sys/net/ipv6")
_FORWARD4, _FORWARD6 = IPV4 / "ip_forward", IPV6 / "conf/all/forwarding"
_HALF_CLOSED = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait")
HALF_CLOSED_S = 3600
"""As kube-proxy has it (`conntrack.tcpCloseWaitTimeout`)."""
_ROUTERS = "accept_ra"
_NO_LINKS = frozenset({"all", "default", "lo"})


def write(path: Path, value: str) -> None:
    """Nothing is written where it is so already."""
    if path.read_text().strip() != value:
        path.write_text(value)


def has_ipv6() -> bool:
    """Whether this kernel has IPv6, and nobody has switched it off for the whole machine."""
    try:
        return (IPV6 / "conf/all/disable_ipv6").read_text().strip() == "0"
    except OSError:
        return False


def forward(state: Path, *, ipv6: bool) -> None:
    """Let the host forward. state: the folder in which what was before is kept. Raises OSError."""
    _remember(state / "ip_forward", _FORWARD4)
    write(_FORWARD4, "1")
    if ipv6:
        _remember(state / "ip6_forward", _FORWARD6)
        if _FORWARD6.read_text().strip() == "0":
            _hear_routers(state / _ROUTERS)
        write(_FORWARD6, "1")


def keep_half_closed(state: Path) -> None:
    """Let the host know connections that one side has ended, and on which nothing is said, for an hour. Raises OSError.

    Linux forgets them after a minute; what the other side says then would be translated anew, to an endpoint that knows nothing of it.
    The setting is there once a rule needs connections to be tracked.
    """
    if _HALF_CLOSED.exists() and int(_HALF_CLOSED.read_text()) < HALF_CLOSED_S:
        _remember(state / "close_wait", _HALF_CLOSED)
        write(_HALF_CLOSED, str(HALF_CLOSED_S))


def restore(state: Path) -> None:
    """As it was before the first instance came. What cannot be set back, since a link is gone perhaps, is left. Raises OSError."""
    for name, setting in (("ip6_forward", _FORWARD6), ("ip_forward", _FORWARD4), ("close_wait", _HALF_CLOSED)):
        if (state / name).exists():
            with contextlib.suppress(FileNotFoundError):
                setting.write_text((state / name).read_text())
            (state / name).unlink()
    with contextlib.suppress(FileNotFoundError):
        for link in json.loads((state / _ROUTERS).read_text()):
            with contextlib.suppress(OSError):
                (IPV6 / "conf" / link / "accept_ra").write_text("1")
        (state / _ROUTERS).unlink()
    with contextlib.suppress(OSError):
        state.rmdir()


def _remember(kept: Path, setting: Path) -> None:
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(setting.read_text())


def _hear_routers(kept: Path) -> None:
    """The names are written first: what this process does not get to is set back as well, to what it is."""
    links = [each for each in (IPV6 / "conf").iterdir() if each.name not in _NO_LINKS and (each / "accept_ra").read_text().strip() == "1"]
    kept.write_text(json.dumps([link.name for link in links]))
    for link in links:
        (link / "accept_ra").write_text("2")
