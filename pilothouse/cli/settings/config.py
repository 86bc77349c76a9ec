"""`ph config`: what builds use to reach packages, over what was found on this machine."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import names, output
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.model.digits import natural

if TYPE_CHECKING:
    from pilothouse.client.client import Client


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
    """Print what builds use: what is set, what was found on the machine and where, and what can be set.

    Passwords in addresses and tokens are not shown.

    \b
    Example:
      ph config list
    """
    run(_list(session, output))


async def _list(session: Session, how: str) -> None:
    async with connected(session) as client:
        rows = rows_of(await _values(client), await _found(client))
    if how != "table":
        output.document(rows, how)
        return
    output.table(["key", "value", "origin", "meaning"], [list(row.values()) for row in rows])


def rows_of(values: Mapping[str, str], found: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every key with the value that builds use and where it is from: set here, or a file or variable of the platform's machine."""
    from pilothouse.platform.builds.environment.credentials import masked
    from pilothouse.platform.builds.environment.effective import certificates
    from pilothouse.platform.builds.environment.keys import KEYS

    rows = []
    for key, meaning in KEYS.items():
        value, origin = found.get(key, ("", ""))
        if key in values:
            own = certificates(values[key]) if key == "ca" else masked(key, values[key])
            value, origin = (f"{own}, and {value}", f"set, and {origin}") if key == "ca" and value else (own, "set")
        rows.append({"key": key, "value": value, "origin": origin, "meaning": meaning})
    return rows


async def _found(client: "Client") -> dict[str, Sequence[str]]:
    """What the platform found on its machine; nothing for those who may not read it."""
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import Forbidden
    from pilothouse.model.json import loads
    from pilothouse.platform.builds.keeper import FOUND
    from pilothouse.platform.builds.pod import ENVIRONMENT, SYSTEM

    try:
        secret = await client.get_or_none(kinds.SECRETS, ENVIRONMENT, SYSTEM)
    except Forbidden:
        return {}
    found: dict[str, Sequence[str]] = loads(meta.annotations(secret or {}).get(FOUND) or "{}")
    return found


@config.command(name="set")
@click.argument("key", shell_complete=names.settings)
@click.argument("value")
@pass_session
def set_(session: Session, key: str, value: str) -> None:
    """Set one value; of `ca` the file is read now, and an empty proxy is none. `ph config list` shows the keys.

    A value with a password or a token is read from standard input, named `-`, since everybody on the machine sees the words of a
    command. It is kept in a Secret, and reaches the builds of the namespaces that `build.credentials` names.

    \b
    Examples:
      ph config set npm.registry https://npm.example.org/
      ph config set ca /etc/ssl/company-ca.pem
      ph config set npm.token - < token.txt
      ph config set build.credentials "default shop"
    """
    _known(key)
    value = _given(key, value)
    if not value.strip() and "proxy" not in key:
        raise click.ClickException(f"{key} cannot be empty: `ph config unset {key}` goes back to what was found")
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


def _given(key: str, value: str) -> str:
    """The value, read from standard input for `-`."""
    from pilothouse.platform.builds.environment.credentials import has_secret

    if value == "-":
        return sys.stdin.read().strip()
    if has_secret(key, value):
        what = "holds a secret" if "://" in value else "is a secret"
        raise click.ClickException(
            f"{key} {what}, and everybody on this machine sees the words of a command: `ph config set {key} - < FILE` reads it from a file"
        )
    return value


def _known(key: str) -> None:
    from difflib import get_close_matches

    from pilothouse.platform.builds.environment.keys import KEYS

    if key not in KEYS:
        near = get_close_matches(key, KEYS, n=1)
        meant = f"did you mean {near[0]}? There" if near else "there"
        raise click.ClickException(f"there is no setting {key}: {meant} are {', '.join(KEYS)}")


def _check_number(key: str, value: str) -> None:
    from pilothouse.platform.builds.environment.keys import NUMBERS

    least, most = NUMBERS.get(key, (0, 0))
    number = natural(value)
    if key in NUMBERS and not (number is not None and least <= number <= most):
        raise click.ClickException(f"{key} is a whole number from {least} to {most}, such as `ph config set {key} {least * 2}`")


async def _values(client: "Client") -> dict[str, str]:
    """What is set, with its passwords for those who may read them; to be masked before it is shown."""
    import base64

    from pilothouse.model import kinds
    from pilothouse.model.errors import Forbidden
    from pilothouse.platform.builds.pod import CONFIG, SYSTEM

    found = await client.get_or_none(kinds.CONFIGMAPS, CONFIG, SYSTEM)
    values: dict[str, str] = (found or {}).get("data") or {}
    try:
        secret = await client.get_or_none(kinds.SECRETS, CONFIG, SYSTEM)
    except Forbidden:
        return values
    kept = ((secret or {}).get("data") or {}).items()
    return values | {key: base64.b64decode(value).decode(errors="replace") for key, value in kept}


async def _write(session: Session, values: dict[str, str | None]) -> None:
    from pilothouse.model import kinds
    from pilothouse.platform.builds.environment.credentials import has_secret, without_secret
    from pilothouse.platform.builds.keeper import set_secrets
    from pilothouse.platform.builds.pod import CONFIG, SYSTEM

    secret = {key: value if value and has_secret(key, value) else None for key, value in values.items()}
    plain = {key: without_secret(key, value) if value and has_secret(key, value) else value for key, value in values.items()}
    async with connected(session) as client:
        await set_secrets(client, secret)
        if await client.get_or_none(kinds.CONFIGMAPS, CONFIG, SYSTEM) is None:
            await client.create(kinds.CONFIGMAPS, {"metadata": {"name": CONFIG, "namespace": SYSTEM}, "data": {}})
        await client.patch(kinds.CONFIGMAPS, CONFIG, {"data": plain}, namespace=SYSTEM)
