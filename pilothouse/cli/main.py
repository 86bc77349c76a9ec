"""The `ph` command: names, help and the one place where errors become a sentence and an exit code."""

import importlib
import sys
from asyncio import CancelledError
from typing import Any

import click

from pilothouse import __version__
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home, SettingsError
from pilothouse.client.kubeconfig import KubeconfigError
from pilothouse.model.errors import ApiError

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("cluster.commands", "Start the cluster on this machine"),
    "down": ("cluster.commands", "Stop the cluster and keep everything, running containers included"),
    "destroy": ("cluster.commands", "Remove the cluster and everything it put on this machine"),
    "status": ("cluster.status", "Show what runs and where it can be reached"),
    "deploy": ("apps.deploy", "Build a source tree and run it"),
    "compose": ("apps.compose", "Deploy what a compose file describes"),
    "git-remote": ("apps.git_remote", "Make a Git repository that deploys an app when it is pushed to"),
    "apps": ("apps.listing", "List the apps"),
    "logs": ("apps.logs", "Print an app's logs"),
    "exec": ("apps.execute", "Run a command in an app's container"),
    "env": ("apps.env", "Show and change an app's environment variables"),
    "scale": ("apps.scale", "Change the number of replicas"),
    "restart": ("apps.restart", "Replace an app's replicas by new ones"),
    "rollback": ("apps.rollback", "Go back to an earlier revision"),
    "open": ("apps.opening", "Print or open an app's URL"),
    "delete": ("apps.delete", "Remove apps"),
    "why": ("why.command", "Say why an app is in the state it is in"),
    "kubectl": ("cluster.kube", "Run the bundled kubectl on this cluster"),
    "kubeconfig": ("cluster.kube", "Print the path of the admin kubeconfig, or merge it into your own"),
    "config": ("settings.config", "Show and change mirrors, proxies and certificates that builds use"),
    "trust": ("cluster.trust", "Let this machine believe the certificates of https://APP.localhost"),
    "run": ("cluster.run", "Run one part of Pilothouse against any cluster"),
    "completion": ("completion", "Print the shell completion script"),
}
"""Command -> (its module in this package, the line in `ph --help`). The function in the module has the command's name."""
HIDDEN = {"git-receive": "apps.git_remote"}
"""Commands that programs run, with their modules."""


class Commands(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if place is None:
            return None
        module = importlib.import_module(f"pilothouse.cli.{place}")
        command: click.Command = getattr(module, "exec_" if cmd_name == "exec" else cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", metavar="DIR", help="Where the instance keeps its state (default /var/lib/pilothouse, or $PILOTHOUSE_HOME).")
@click.option("--kubeconfig", metavar="FILE", help="Work on the cluster of this kubeconfig instead of the instance's own.")
@click.option("-v", "--verbose", is_flag=True, help="Say more when something fails.")
@click.version_option(__version__, prog_name="ph")
@click.pass_context
def ph(ctx: click.Context, home: str | None, kubeconfig: str | None, verbose: bool) -> None:
    """Pilothouse: from source code to a running, reachable application.

    \b
    Examples:
      ph up                              start the cluster on this machine
      ph deploy ./shop                   build and run what is in ./shop
      ph why shop                        why is it not running?
      ph kubectl get pods -A             it is a Kubernetes cluster
    """
    ctx.obj = Session(Home.chosen(home), kubeconfig, verbose)


def main() -> None:
    """Entry point of `ph`: exit code 1 for what failed, 2 for wrong usage, 130 for Ctrl-C."""
    verbose = "-v" in sys.argv[1:3] or "--verbose" in sys.argv[1:3]
    try:
        code: Any = ph.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ApiError, SettingsError, KubeconfigError) as error:
        if verbose:
            raise
        click.echo(f"ph: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, CancelledError):
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
