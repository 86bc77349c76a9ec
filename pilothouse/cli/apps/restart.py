"""`ph restart`: new replicas of what runs, one by one."""

import time

import click

from pilothouse.cli import names
from pilothouse.cli.apps.deploy import TIMEOUT
from pilothouse.cli.apps.logs import PROCESS
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run


@click.command()
@click.argument("app", shell_complete=names.apps)
@NAMESPACE
@PROCESS
@click.option("--detach", is_flag=True, help="Do not wait for the new replicas.")
@TIMEOUT
@pass_session
def restart(session: Session, app: str, namespace: str, process: str | None, detach: bool, timeout: float) -> None:
    """Replace an app's replicas by new ones, without a gap unless a volume for one writer is between them.

    \b
    Examples:
      ph restart shop
      ph restart shop --process worker
    """
    run(_restart(session, app, namespace, process, None if detach else timeout))


async def _restart(session: Session, name: str, namespace: str, process: str | None, timeout_s: float | None) -> None:
    from pilothouse.cli.apps.following import followed
    from pilothouse.cli.apps.lookup import find_app
    from pilothouse.cli.apps.rollout import Rollout
    from pilothouse.model.meta import rfc3339_micro
    from pilothouse.platform.apps import processes

    async with connected(session) as client:
        app = await find_app(client, name, namespace)
        lasting = [each.name for each in processes.lasting(app)]
        if process is not None and process not in lasting:
            raise click.ClickException(f"{name} has no process {process!r} that runs all the time; it has: {', '.join(lasting)}")
        at = dict.fromkeys([process] if process else lasting, rfc3339_micro(time.time()))
        spec = app["spec"] | {"restarts": (app["spec"].get("restarts") or {}) | at}
        rollout = Rollout(client, app | {"spec": spec}, app)
        await rollout.apply()
        if timeout_s is not None:
            await followed(client, rollout, None, timeout_s)
