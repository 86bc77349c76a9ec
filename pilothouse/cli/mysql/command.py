"""`ph mysql`: the group and what is in it."""

import importlib

import click

COMMANDS: dict[str, str] = {
    "create": "create",
    "list": "listing",
    "show": "show",
    "connect": "connect",
    "set": "setting",
    "resize": "resize",
    "scale": "scale",
    "suspend": "suspending",
    "resume": "suspending",
    "restart": "restart",
    "backup": "backup",
    "restore": "restore",
    "switchover": "moving",
    "failover": "moving",
    "reseed": "moving",
    "users": "users",
    "databases": "databases",
    "params": "params",
    "rotate": "restart",
    "upgrade": "upgrade",
    "logs": "logs",
    "metrics": "metrics",
    "protect": "delete",
    "delete": "delete",
}
"""Command -> its module in this package. The function in the module has the command's name, with an underscore after a builtin's."""


class Commands(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pilothouse.cli.mysql.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_" if cmd_name in ("list", "set") else cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=Commands)
def mysql() -> None:
    """MySQL and MariaDB instances: make, change, back up, restore and delete them.

    Each is an object of databases.pilothouse.dev/v1, which `ph kubectl` shows and changes as well.

    \b
    Examples:
      ph mysql create orders --size 2Gi --replicas 3
      ph mysql list
      ph mysql connect orders
      ph mysql resize orders --memory 1Gi
      ph mysql set orders --backup-schedule '30 3 * * *' --archive
    """
