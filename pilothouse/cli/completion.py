"""Shell completion."""

import click
from click.shell_completion import get_completion_class

from pilothouse.cli import main


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script.

    \b
    Examples:
      source <(ph completion bash)                                  # this shell
      ph completion bash > /etc/bash_completion.d/ph                # every shell
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main.ph, {}, "ph", main.COMPLETE).source())
