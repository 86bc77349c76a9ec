"""Groups of commands that say what is done with a part of an instance."""

import click


class Verbs(click.Group):
    """An instance's name in the place of the verb is answered with the line that shows what it has."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            shows = "list" if "list" in known else "show"
            said = f"{name!r} is none of {', '.join(known)}: `{ctx.command_path} {shows} {name}` shows those of an instance {name}"
            raise click.UsageError(said, ctx)
        return super().resolve_command(ctx, args)
