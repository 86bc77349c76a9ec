"""The edge to the kernel's WireGuard. Everything here blocks: call it in a thread."""

from pilothouse.network.backends import reverse_path, table
from pilothouse.network.backends.config import BackendConfig
from pilothouse.network.backends.links import holder, links
from pilothouse.network.backends.seam import View
from pilothouse.network.backends.table import batch, ip, run
from pilothouse.network.backends.wireguard.plan import Wanted, text

DEFAULT_MTU = 1500


def name_of(config: BackendConfig) -> str:
    return f"phg-{config.instance}"


def ensure_link(view: View, config: BackendConfig) -> str:
    """Its name. Raises BackendFailure, where the kernel has no WireGuard too."""
    assert view.own is not None
    name, there = name_of(config), links()
    found = next((link for link in there if link.name == name), None)
    if found is None:
        ip("link", "add", name, "type", "wireguard")
    own = view.own.addresses[0] if view.own.addresses else None
    under = holder(own, there) if own is not None else None
    room = (under.mtu if under is not None else DEFAULT_MTU) - (60 if own is None or own.version == 4 else 80)
    mtu = min(room, view.spec["mtu"] or room)
    addresses = {f"{network[1]}/{network.max_prefixlen}" for network in view.own.pod_cidrs}
    held = {f"{each}/{each.max_prefixlen}" for each in found.addresses} if found is not None else set()
    commands = [f"link set {name} mtu {mtu} up"] if found is None or found.mtu != mtu or not found.is_up else []
    commands += [f"address delete {each} dev {name}" for each in held - addresses]
    commands += [f"address add {each} dev {name}{' nodad' if ':' in each else ''}" for each in addresses - held]
    batch("ip", commands)
    reverse_path.loosen(name)
    return name


def configure(link: str, private: str, wanted: Wanted) -> None:
    """Sessions of peers that stay as they are go on."""
    run("wg", "syncconf", link, "/dev/stdin", text=text(private, wanted))


def teardown(config: BackendConfig) -> None:
    """Raises BackendFailure."""
    table.withdraw(config, table.WIREGUARD)
    if any(link.name == name_of(config) for link in links()):
        ip("link", "delete", name_of(config))
