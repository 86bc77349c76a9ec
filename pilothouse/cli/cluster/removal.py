"""Takes an instance off the machine: containers, mounts, links, rules, cgroups, processes and files, in that order."""

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from pilothouse.cli import output
from pilothouse.cli.cluster.trust import TrustStores, store_name
from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.settings.home import Home, Settings


async def remove(home: Home, *, keep: Collection[Path] = ()) -> None:
    """Everything of an instance whose processes have ended, but for folders to keep. What is gone already is no error."""
    configure(logging.ERROR)
    settings = Settings.salvaged(home)
    progress = output.Progress()
    for further in home.further():
        with progress.step(f"removing node {further.path.name}"):
            await _remove_further(further)
    with progress.step("stopping the gateway"):
        await stop_gateway(home)
        TrustStores(store_name(home)).remove()
    with progress.step("removing the containers"):
        await (_remove_further(home) if is_further(home) else remove_node(home, settings))
    if home.further_nodes.exists() or settings.nodes_cidr:
        with progress.step("removing the network between the nodes"):
            _remove_nodes_network(home)
    with progress.step("removing the files"):
        remove_tree(home.path, keep=keep)


async def stop_gateway(home: Home) -> None:
    """Envoy outlives the process that started it when that was killed."""
    from pilothouse.platform.gateway.envoy import Files
    from pilothouse.platform.gateway.process import EnvoyProcess

    await EnvoyProcess(Files(home.gateway), home.log / "gateway.log").stop()


async def _remove_further(home: Home) -> None:
    """What a further node has in its namespaces, and these; its files, too, but for a home that is removed by itself."""
    from pilothouse.cli.further import removal

    await removal.remove(home)


def to_remove(home: Home) -> Settings:
    """What can be read of a home's settings; of a further node's also what follows from its place."""
    found = Settings.salvaged(home)
    if not is_further(home):
        return found
    from pilothouse.cli.further import wanted

    parent = Home(home.path.parents[1])
    above = Settings.salvaged(parent)
    server = found.server or f"https://{above.nodes_gateway}:{above.api_port}"
    return found.changed(server=server, parent=str(parent.path), node_name=wanted.name(above, home))


def is_further(home: Home) -> bool:
    """Whether the home is a further node's of an instance on this machine."""
    from pilothouse.cli.further.place import Place

    return Place.to_remove(home) is not None and Home(home.path.parents[1]).settings.exists() and not home.store.exists()


def _remove_nodes_network(home: Home) -> None:
    from pilothouse.cli.further import removal

    removal.remove_common(home)


async def remove_node(home: Home, settings: Settings) -> None:
    """Containers and network of the node whose namespaces this process is in. The pod network answers until every pod has left it."""
    from pilothouse.aio.tasks import running
    from pilothouse.cli.daemon.wiring import node_config, pod_network_config
    from pilothouse.engine.node.teardown import destroy
    from pilothouse.network.pod import PodNetwork

    async with running(PodNetwork(pod_network_config(home, settings)).run, name="pod network"):
        await destroy(node_config(home, settings))
    _remove_network(home, settings)


def _remove_network(home: Home, settings: Settings) -> None:
    from pilothouse.cli.daemon.wiring import node_routes_config, pod_network_config, service_proxy_config
    from pilothouse.network.pod import kernel as pod_kernel
    from pilothouse.network.routes import kernel as routes_kernel
    from pilothouse.network.service import kernel as service_kernel

    if Settings.is_readable(home):
        # In a pod network that is only supposed lie the routes of another instance, perhaps.
        routes_kernel.teardown(node_routes_config(settings))
    service_kernel.teardown(service_proxy_config(home, settings))
    pod_kernel.teardown(pod_network_config(home, settings))


def remove_tree(path: Path, *, keep: Collection[Path] = ()) -> None:
    """Delete a folder on this file system only: what is still mounted below it is unmounted first, never emptied. keep: children of it.

    Raises OSError, with nothing deleted, when something cannot be unmounted.
    """
    from pilothouse.engine.node.files.mountpoints import mounts_below, unmount

    for mount in mounts_below(path):
        unmount(Path(mount))
    if not path.exists():
        return
    # The settings go last: as long as something is left, `ph destroy` knows what it is.
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink() and child not in keep:
            shutil.rmtree(child)
    for child in path.iterdir():
        if child not in keep:
            child.unlink()
    if not any(child.exists() for child in keep):
        path.rmdir()
