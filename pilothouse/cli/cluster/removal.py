"""Takes an instance off the machine: containers, mounts, links, rules, cgroups, processes and files, in that order."""

import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog

from pilothouse.cli import output
from pilothouse.cli.cluster.trust import TrustStores, store_name
from pilothouse.cli.daemon.logs import configure
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.model.networks import with_port

log = structlog.get_logger("removal")


class NotRemoved(click.ClickException):
    """Something of the instance is left on the machine, and so are its files: removing it may be tried again."""

    def __init__(self, failures: Collection[str]) -> None:
        self.failures = list(dict.fromkeys(failures))
        super().__init__(f"not all of it could be taken off this machine: {'; '.join(self.failures)}. `ph destroy` tries again")


class Attempts:
    """Steps of which each is tried, whatever became of those before it: what the machine refuses keeps only itself."""

    def __init__(self) -> None:
        self.progress = output.Progress()
        self._failures: list[str] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        try:
            with self.progress.step(what):
                yield
        except* _refusals() as failures:
            self._failures += [text for error in _leaves(failures) for text in _texts(error)]

    def tried(self, work: Callable[[], None]) -> None:
        """As a step that is not shown."""
        try:
            work()
        except _refusals() as error:
            self._failures += _texts(error)

    def check(self) -> None:
        """Raises NotRemoved."""
        if self._failures:
            raise NotRemoved(self._failures)


def _refusals() -> tuple[type[Exception], ...]:
    """How the parts of the machine say no, or nothing in time. Imported here: other commands do not pay for it."""
    from pilothouse.cli.further.namespaces import NamespaceFailure
    from pilothouse.linux.nft import NftFailure
    from pilothouse.network.backends.seam import BackendFailure
    from pilothouse.network.pod.kernel import NetworkFailure

    return NetworkFailure, NftFailure, BackendFailure, NamespaceFailure, click.ClickException, OSError


def _texts(error: BaseException) -> list[str]:
    match error:
        case NotRemoved():
            return error.failures
        case click.ClickException():
            return [error.message.rstrip(".")]
    return [str(error) or type(error).__name__]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


async def remove(home: Home, *, keep: Collection[Path] = ()) -> None:
    """Everything of an instance whose processes have ended, but for folders to keep. What is gone already is no error.

    Raises NotRemoved, with the files still there, when the machine refuses something or does not answer in time.
    """
    configure(logging.ERROR)
    settings = Settings.salvaged(home)
    attempts = Attempts()
    for further in home.further():
        with attempts.step(f"removing node {further.path.name}"):
            await _remove_further(further)
    with attempts.step("stopping the gateway"):
        await stop_gateway(home)
        TrustStores(store_name(home)).remove()
    with attempts.step("removing the containers"):
        await (_remove_further(home) if is_further(home) else remove_node(home, settings))
    if home.further_nodes.exists() or settings.nodes_cidr:
        with attempts.step("removing the network between the nodes"):
            _remove_nodes_network(home)
    attempts.check()
    with attempts.progress.step("removing the files"):
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
    gateway = next(iter(above.nodes_gateways), "")
    server = found.server or f"https://{with_port(gateway, above.api_port)}"
    return found.changed(server=server, parent=str(parent.path), node_name=wanted.name(above, home))


def is_further(home: Home) -> bool:
    """Whether the home is a further node's of an instance on this machine."""
    from pilothouse.cli.further.place import Place

    return Place.to_remove(home) is not None and Home(home.path.parents[1]).settings.exists() and not home.store.exists()


def _remove_nodes_network(home: Home) -> None:
    from pilothouse.cli.further import removal

    removal.remove_common(home)


async def remove_node(home: Home, settings: Settings) -> None:
    """Containers and network of the node whose namespaces this process is in. Raises NotRemoved."""
    await _remove_containers(home, settings)
    attempts = Attempts()
    for work in _network_parts(home, settings):
        attempts.tried(work)
    attempts.check()


async def _remove_containers(home: Home, settings: Settings) -> None:
    """The pod network answers until every pod has left it; where it cannot be brought up the pods are ended without it."""
    from pilothouse.aio.tasks import NotReady, running
    from pilothouse.cli.daemon.wiring import node_config, pod_network_config
    from pilothouse.engine.node.teardown import destroy
    from pilothouse.network.pod import PodNetwork
    from pilothouse.network.pod.kernel import NetworkFailure

    node = node_config(home, settings)
    try:
        async with running(PodNetwork(pod_network_config(home, settings)).run, name="pod network"):
            await destroy(node)
    except* (NetworkFailure, NotReady) as failures:
        log.warning("removing pods without their network", why="; ".join(text for error in _leaves(failures) for text in _texts(error)))
        await destroy(node)


def _network_parts(home: Home, settings: Settings) -> Iterator[Callable[[], None]]:
    """What takes the rules, links and routes away; each part stands for itself."""
    from pilothouse.cli.daemon.wiring import (
        announcer_config,
        backend_config,
        network_policy_config,
        pod_network_config,
        service_proxy_config,
        trace_config,
    )
    from pilothouse.network.announce import teardown as announce
    from pilothouse.network.backends import teardown as backends
    from pilothouse.network.dns.standby.handover import end as end_standby
    from pilothouse.network.pod import kernel as pod_kernel
    from pilothouse.network.policy import kernel as policy_kernel
    from pilothouse.network.service import kernel as service_kernel
    from pilothouse.network.trace import kernel as trace_kernel

    if Settings.is_readable(home):
        # In a pod network that is only supposed lie the routes of another instance, perhaps.
        yield lambda: backends.teardown(backend_config(home, settings))
    yield lambda: announce.teardown(announcer_config(home, settings))
    yield lambda: policy_kernel.teardown(network_policy_config(home, settings))
    yield lambda: service_kernel.teardown(service_proxy_config(home, settings))
    yield lambda: end_standby(home.run / "dns.sock")
    yield lambda: trace_kernel.teardown(trace_config(home))
    yield lambda: pod_kernel.teardown(pod_network_config(home, settings))


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
