"""`ph exec`: a command in one of an app's containers."""

import sys

import click

from pilothouse.cli import names
from pilothouse.cli.apps.logs import PROCESS
from pilothouse.cli.session import Session, connected, copyable, pass_session, run


@click.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace to work in.")
@PROCESS
@click.argument("app", shell_complete=names.apps)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_session
def exec_(session: Session, namespace: str, process: str | None, app: str, command: tuple[str, ...]) -> None:
    """Run a command in an app's container; a shell when none is given.

    \b
    Examples:
      ph exec shop
      ph exec shop python -c 'print(1)'
      ph exec --process worker shop
    """
    from pilothouse.cli.cluster.kube import kubectl_exec

    words = command[1:] if command[:1] == ("--",) else command
    pod = run(_one_pod(session, app, namespace, process))
    sys.exit(kubectl_exec(session, namespace, pod, list(words) or ["/bin/sh"]))


async def _one_pod(session: Session, name: str, namespace: str, process: str | None) -> str:
    from pilothouse.cli.apps.lookup import find_app, pods_of
    from pilothouse.model import meta

    async with connected(session) as client:
        await find_app(client, name, namespace)
        found = await pods_of(client, name, namespace, process)
    able = [pod for pod in found if (pod.get("status") or {}).get("phase") == "Running" and not meta.is_deleting(pod)]
    running = [meta.name(pod) for pod in sorted(able, key=lambda pod: not meta.is_true(pod, "Ready"))]
    if not running:
        whose = f"process {process} of {name}" if process else name
        raise click.ClickException(f"{whose} has no running replica: `{copyable(f'why {name}', namespace)}` says why")
    return running[0]
