"""The `ph` command: names, help and global options."""

import importlib
import os
import sys
from typing import Any

import click

from pilothouse import __version__
from pilothouse.cli import ending, terminal
from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Home

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
    "volumes": ("apps.volumes.command", "List and remove the volumes of apps"),
    "mysql": ("mysql.command", "Make and run MySQL and MariaDB instances"),
    "bind": ("binding.bind", "Give an app an account of a database, as variables"),
    "unbind": ("binding.unbind", "Take an app's account of a database back"),
    "why": ("why.command", "Say why an app is in the state it is in"),
    "trace": ("trace.command", "Follow a packet from a pod to a service, and name the rule that drops it"),
    "kubectl": ("cluster.kube", "Run the bundled kubectl on this cluster"),
    "kubeconfig": ("cluster.kube", "Print the path of the admin kubeconfig, or merge it into your own"),
    "config": ("settings.config", "Show and change mirrors, proxies and certificates that builds use"),
    "trust": ("cluster.trust", "Let this machine believe the certificates of https://APP.localhost"),
    "join": ("cluster.join", "Make this machine a node of another machine's cluster"),
    "token": ("cluster.token", "Make, list and delete the tokens by which nodes sign in at first"),
    "lb": ("balancers.command", "List load balancers, their addresses and address pools"),
    "network": ("network.command", "Show and change how nodes reach each other's pods"),
    "policy": ("policy.command", "Try what network policies let pass"),
    "audit": ("audit.command", "Show who did what to what, and when"),
    "audit-policy": ("audit.policy", "Show and change what is recorded in the audit log"),
    "rotate-key": ("cluster.rotation", "Encrypt the Secrets in the store with a new key"),
    "run": ("cluster.run", "Run one part of Pilothouse against any cluster"),
    "completion": ("completion", "Print the shell completion script"),
}
"""Command -> (its module in this package, the line in `ph --help`). The function in the module has the command's name."""
HIDDEN = {"git-receive": "apps.git_remote"}
"""Commands that programs run, with their modules."""
COMPLETE = "_PH_COMPLETE"
"""The variable by which a shell asks for completions."""


class Commands(click.Group):
    """Loads a command's module when the command is called; what fails in it becomes an error that click shows."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            shown = ending.explained(error, ctx.find_object(Session))
            if shown is error:
                raise
            raise shown from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and args[0] not in HIDDEN and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

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
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours: on a terminal, unless $NO_COLOR is set (auto), always or never.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more when something fails.")
@click.version_option(__version__, prog_name="ph")
@click.pass_context
def ph(ctx: click.Context, home: str | None, kubeconfig: str | None, color: str, verbose: bool) -> None:
    """Pilothouse: from source code to a running, reachable application.

    \b
    Examples:
      ph up                              start the cluster on this machine
      ph deploy ./shop                   build and run what is in ./shop
      ph why shop                        why is it not running?
      ph kubectl get pods -A             it is a Kubernetes cluster
    """
    ctx.color = terminal.colour(color)
    for option, given in (("--home", home), ("--kubeconfig", kubeconfig)):
        if given == "":
            raise click.UsageError(f"{option} is empty: name a place, or leave it out")
    if (path := Home.chosen(home).path).exists() and not path.is_dir():
        raise click.UsageError(f"{path} is no folder: choose another with --home")
    ctx.obj = Session(Home.chosen(home), kubeconfig, verbose)


def _run() -> Any:
    """As click's own `main`, which would end a command whose reader has gone with a code of its own."""
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(ph, {}, "ph", COMPLETE, instruction)
    for word in sys.argv[1:]:
        if not terminal.is_text(word):
            raise click.UsageError(f"{word!r} is not text in the encoding of this terminal ({sys.getfilesystemencoding()})")
    with ph.make_context("ph", sys.argv[1:]) as ctx:
        return ph.invoke(ctx)


def main() -> None:
    """Entry point of `ph`. Exit codes: see `cli.ending`."""
    terminal.forgive_encoding()
    verbose = "-v" in sys.argv[1:3] or "--verbose" in sys.argv[1:3]
    sys.exit(ending.exit_code(_run, verbose=verbose))
