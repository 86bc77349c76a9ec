"""`ph run`: one part of Pilothouse as a foreground process against any cluster."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, pass_session

if TYPE_CHECKING:
    from pilothouse.cli.daemon.platform import PlatformOptions
    from pilothouse.client.client import Client
    from pilothouse.client.kubeconfig import Kubeconfig

LEASE = "pilothouse-platform"
AGAIN_S = 2.0
SLEEP_SINCE = (1, 30)
"""The first version whose pods know `preStop: sleep`."""


@click.command()
@click.argument("part", type=click.Choice(["platform"]))
@click.option(
    "--kubeconfig", metavar="FILE", help="The cluster to work on (default: that of `ph --kubeconfig`, or the one on this machine)."
)
@click.option(
    "--registry", default="", metavar="HOST", help="Registry that builds push to and nodes pull from; without one, apps must name an image."
)
@click.option("--builder-image", default="", metavar="IMAGE", help="An image with buildah, git, curl and python3; needed to build sources.")
@click.option("--ingress-class", default="", metavar="NAME", help="Class of the routes (default: the cluster's default class).")
@click.option("--domain", default="localhost", show_default=True, help="Domain under which apps get their host names.")
@click.option("--url-port", type=click.IntRange(1, 65535), default=80, show_default=True, help="Port under which the ingress is reached.")
@click.option(
    "--drain",
    type=click.IntRange(0, 300),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="How long a pod keeps serving after it is told to end.",
)
@pass_session
def run(session: Session, /, part: str, kubeconfig: str | None, **options: str | int) -> None:
    """Run one part of Pilothouse against any cluster.

    \b
    Example:
      ph run platform --kubeconfig ~/.kube/config
    """
    from pilothouse.cli.daemon.logs import configure

    configure()
    if kubeconfig is not None:
        session.kubeconfig = Path(kubeconfig)
    try:
        asyncio.run(_platform(str(session.kubeconfig), options))
    except BaseExceptionGroup as group:
        # The first failure is what ended the others.
        raise next(_leaves(group)) from None


async def _platform(path: str, options: dict[str, str | int]) -> None:
    from pilothouse.aio.tasks import scope
    from pilothouse.client.client import Client
    from pilothouse.client.http import HttpTransport
    from pilothouse.client.kubeconfig import KubeconfigError, load

    try:
        config = load(path)
        async with _closing(Client(HttpTransport(config), field_manager="pilothouse")) as client, scope() as tasks:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, tasks.cancel)
            await _serve(client, config, options)
    except KubeconfigError as error:
        raise click.ClickException(str(error)) from error


async def _serve(client: "Client", config: "Kubeconfig", options: dict[str, str | int]) -> None:
    """Lead whenever it can, until cancelled: a server that goes away costs the lease, not the process."""
    from pilothouse.aio.tasks import NotReady
    from pilothouse.client.leases import LeadershipLost
    from pilothouse.model.errors import Timeout, Unavailable

    # The random part tells a process from one before it with the same number, as every container's first has.
    identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
    version = await _connect(client, config, is_building=bool(options["registry"]))
    while True:
        try:
            await _lead(client, config, await _with_databases(client, config, _options(options, version)), identity)
            return
        except* (LeadershipLost, NotReady, Timeout, Unavailable) as group:
            output.note(f"the platform pauses: {next(_leaves(group))}")
        await asyncio.sleep(AGAIN_S)
        with contextlib.suppress(Timeout, Unavailable):
            version = await _connect(client, config, is_building=bool(options["registry"]))


async def _connect(client: "Client", config: "Kubeconfig", *, is_building: bool) -> str:
    """The server's version; raises ClickException that says why the platform could not work there."""
    from pilothouse.cli.cluster.access import missing, needs
    from pilothouse.model.errors import Unauthorized

    try:
        version = str((await client.call("GET", "/version")).get("gitVersion") or "")
        refused = await missing(client, needs(builds=is_building))
    except Unauthorized as error:
        raise click.ClickException(f"{config.server} does not accept the credentials of {config.source}{_expiry(config)}") from error
    if refused:
        raise click.ClickException(
            f"the user of {config.source} is not allowed to: {'; '.join(refused)}. Bind it to a role that allows this, and run it again"
        )
    output.note(f"connected to {config.server} (Kubernetes {version})")
    return version


async def _with_databases(client: "Client", config: "Kubeconfig", options: "PlatformOptions") -> "PlatformOptions":
    """Where their rights are missing databases are not served, and apps are: roles may be older than they."""
    from dataclasses import replace

    from pilothouse.cli.cluster.access import database_needs, missing

    refused = await missing(client, database_needs())
    if refused:
        output.note(f"databases are not served here: the user of {config.source} is not allowed to: {'; '.join(refused)}")
    return replace(options, databases=not refused)


async def _lead(client: "Client", config: "Kubeconfig", options: "PlatformOptions", identity: str) -> None:
    from pilothouse.aio.tasks import running
    from pilothouse.cli.cluster.access import LEASE_NAMESPACE
    from pilothouse.cli.daemon.platform import Platform
    from pilothouse.client.leases import LeaderElection

    async def work() -> None:
        async with running(Platform(lambda _: client, None, options).run, name="platform", deadline_s=120):
            output.note(f"the platform runs on {config.server}")
            await asyncio.Event().wait()

    output.note(f"waiting for the lease {LEASE_NAMESPACE}/{LEASE}")
    await LeaderElection(client, LEASE, LEASE_NAMESPACE, identity).lead(work)


def _options(given: dict[str, str | int], version: str) -> "PlatformOptions":
    from pilothouse.cli.daemon.platform import PlatformOptions
    from pilothouse.platform.apps.objects import Surroundings

    around = Surroundings(
        registry=str(given["registry"]),
        ingress_class=str(given["ingress_class"]),
        domain=str(given["domain"]),
        url_port=int(given["url_port"]),
        drain_s=int(given["drain"]) if knows_sleep(version) else 0,
    )
    return PlatformOptions(str(given["registry"]), around, str(given["builder_image"]))


def knows_sleep(version: str) -> bool:
    """Whether a server of this gitVersion takes a pod with `preStop: sleep`; one that does not say is taken for a new one."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) >= SLEEP_SINCE


def _expiry(config: "Kubeconfig") -> str:
    """`: its client certificate has expired on DATE`, if it has."""
    if config.client_certificate is None:
        return ""
    import datetime

    from cryptography import x509

    ends = x509.load_pem_x509_certificate(config.client_certificate).not_valid_after_utc
    return f": its client certificate has expired on {ends:%Y-%m-%d}" if ends < datetime.datetime.now(datetime.UTC) else ""


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@contextlib.asynccontextmanager
async def _closing(client: "Client") -> AsyncIterator["Client"]:
    try:
        yield client
    finally:
        await client.close()
