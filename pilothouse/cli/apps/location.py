"""Whether what `ph deploy` was pointed at is a Git repository, and which."""

import click

from pilothouse.platform.builds.git.location import BadLocation, Location, is_git, parse


def located(where: str) -> Location | None:
    """None for what is no repository. Raises UsageError for an address that no build can fetch from."""
    if not is_git(where):
        return None
    try:
        return parse(where)
    except BadLocation as error:
        raise click.UsageError(str(error)) from error
