"""`ph config`: what builds use to reach packages, over what was found on this machine."""

from pathlib import Path
from typing import Any

import click

from pilothouse.cli import names, output
from pilothouse.cli.session import Session, connected, pass_session, run


@click.group()
def config() -> None:
    """Show and change mirrors, proxies and certificates that builds use.

    What is set here wins over what was found in this machine's own settings of pip, npm and apt.

    \b
    Examples:
      ph config set pip.index-url https://pypi.example.org/simple
      ph config set ca /etc/ssl/company-ca.pem
      ph config list
    """


@config.command(name="list")
@output.OUTPUT
@pass_session
def list_(session: Session, output: str) -> None:
    """Print what is set, and what can be.

    \b
    Example:
      ph config list
    """
    run(_list(session, output))


async def _list(session: Session, how: str) -> None:
    from pilothouse.platform.builds.environment import KEYS

    async with connected(session) as client:
        values = await _values(client)
    if how != "table":
        output.document(values, how)
        return
    shown = {key: "(certificates)" if key == "ca" and value else value for key, value in values.items()}
    output.table(["key", "value", "meaning"], [[key, shown.get(key), meaning] for key, meaning in KEYS.items()])


@config.command(name="set")
@click.argument("key", shell_complete=names.settings)
@click.argument("value")
@pass_session
def set_(session: Session, key: str, value: str) -> None:
    """Set one value; of `ca` the file is read now. `ph config list` shows the keys.

    \b
    Examples:
      ph config set npm.registry https://npm.example.org/
      ph config set ca /etc/ssl/company-ca.pem
    """
    _known(key)
    if key == "ca":
        path = Path(value)
        if not path.is_file() or "BEGIN CERTIFICATE" not in path.read_text(errors="replace"):
            raise click.ClickException(f"{value} is no file with PEM certificates")
        value = path.read_text()
    _check_number(key, value)
    run(_write(session, {key: value}))


@config.command()
@click.argument("key", shell_complete=names.settings)
@pass_session
def unset(session: Session, key: str) -> None:
    """Go back to what was found on this machine.

    \b
    Example:
      ph config unset npm.registry
    """
    _known(key)
    run(_write(session, {key: None}))


def _known(key: str) -> None:
    from pilothouse.platform.builds.environment import KEYS

    if key not in KEYS:
        raise click.ClickException(f"there is no setting {key}: there are {', '.join(KEYS)}")


def _check_number(key: str, value: str) -> None:
    from pilothouse.platform.builds.environment import NUMBERS

    least, most = NUMBERS.get(key, (0, 0))
    if key in NUMBERS and not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise click.ClickException(f"{key} is a whole number from {least} to {most}, such as `ph config set {key} {least * 2}`")


async def _values(client: Any) -> dict[str, str]:
    from pilothouse.model import kinds
    from pilothouse.platform.builds.pod import CONFIG, SYSTEM

    found = await client.get_or_none(kinds.CONFIGMAPS, CONFIG, SYSTEM)
    values: dict[str, str] = (found or {}).get("data") or {}
    return values


async def _write(session: Session, values: dict[str, str | None]) -> None:
    from pilothouse.model import kinds
    from pilothouse.platform.builds.pod import CONFIG, SYSTEM

    async with connected(session) as client:
        if await client.get_or_none(kinds.CONFIGMAPS, CONFIG, SYSTEM) is None:
            await client.create(kinds.CONFIGMAPS, {"metadata": {"name": CONFIG, "namespace": SYSTEM}, "data": {}})
        await client.patch(kinds.CONFIGMAPS, CONFIG, {"data": values}, namespace=SYSTEM)
