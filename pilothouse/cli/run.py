"""`ph run`: one part of Pilothouse as a foreground process against any cluster."""

import asyncio
import os
import signal
import socket

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, pass_session


@click.command()
@click.argument("part", type=click.Choice(["platform"]))
@click.option("--kubeconfig", metavar="FILE", help="The cluster to work on (default: the instance's own).")
@click.option(
    "--registry", default="", metavar="HOST", help="Where built images go, as builds and nodes reach it; without one, apps name images."
)
@click.option("--builder-image", default="quay.io/buildah/stable:latest", show_default=True, help="An image with buildah, git and curl.")
@click.option("--ingress-class", default="", metavar="NAME", help="Class of the routes (default: the cluster's default class).")
@click.option("--domain", default="localhost", show_default=True, help="Domain under which apps get their host names.")
@click.option("--url-port", type=click.IntRange(1, 65535), default=80, show_default=True, help="Port under which the ingress is reached.")
@click.option(
    "--drain", type=click.IntRange(0, 300), default=5, show_default=True, metavar="SECONDS", help="How long a pod waits before it ends."
)
@pass_session
def run(session: Session, /, part: str, kubeconfig: str | None, **options: str | int) -> None:
    """Run one part of Pilothouse against any cluster.

    \b
    Example:
      ph run platform --kubeconfig ~/.kube/config
    """
    from pilothouse.cli.logs import configure

    configure()
    asyncio.run(_platform(kubeconfig or str(session.kubeconfig), options))


async def _platform(path: str, options: dict[str, str | int]) -> None:
    from pilothouse.aio.tasks import scope
    from pilothouse.cli.platform import Platform, PlatformOptions
    from pilothouse.client.client import Client
    from pilothouse.client.http import HttpTransport
    from pilothouse.client.kubeconfig import KubeconfigError, load
    from pilothouse.client.leases import LeaderElection
    from pilothouse.platform.apps.objects import Surroundings

    try:
        config = load(path)
    except KubeconfigError as error:
        raise click.ClickException(str(error)) from error
    client = Client(HttpTransport(config), field_manager="pilothouse")
    around = Surroundings(
        registry=str(options["registry"]),
        ingress_class=str(options["ingress_class"]),
        domain=str(options["domain"]),
        url_port=int(options["url_port"]),
        drain_s=int(options["drain"]),
    )
    platform = Platform(client, None, PlatformOptions(str(options["registry"]), around, str(options["builder_image"])))

    async def lead() -> None:
        async with scope() as tasks:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, tasks.cancel)
            ready = asyncio.Event()
            tasks.spawn(platform.run(ready), name="platform")
            await ready.wait()
            output.note(f"the platform runs on {config.server}")

    try:
        version = await client.call("GET", "/version")
        output.note(f"connected to {config.server} (Kubernetes {version.get('gitVersion', '')})")
        identity = f"{socket.gethostname()}-{os.getpid()}"
        await LeaderElection(client, "pilothouse-platform", "kube-system", identity).lead(lead)
    finally:
        await client.close()
