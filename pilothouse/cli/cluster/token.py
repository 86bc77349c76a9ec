"""`ph token`: bootstrap tokens, by which a node signs in before it has a certificate of its own."""

import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from pilothouse.cli import output
from pilothouse.cli.durations import Lifetime
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.cli.settings.home import Settings
from pilothouse.model import bootstrap_tokens, meta
from pilothouse.model.bootstrap_tokens import NAMESPACE, NODE_GROUP, SECRET_TYPE, USAGES, BadToken, BootstrapToken
from pilothouse.model.networks import split, with_port

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.json import Object

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST_FILE = 4096
_LONGEST_S = 100 * 365 * 86400.0


@click.group()
def token() -> None:
    """Make, list and delete the tokens by which nodes sign in at first.

    \b
    Examples:
      ph token create --ttl 2h --description "the third rack"
      ph token list
      ph token delete abcdef
    """


@token.command()
@click.argument("token", required=False, metavar="")
@click.option(
    "--from-file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Take the token (six characters, a dot, sixteen characters) from a file, or - from standard input, instead of by chance.",
)
@click.option("--ttl", type=Lifetime(), default="1d", show_default=True, metavar="DURATION", help="How long it is good for; 0: for ever.")
@click.option("--description", default="", help="What it is for.")
@click.option("--groups", default=NODE_GROUP, show_default=True, help="Groups of who signs in with it, separated by commas.")
@click.option("--usages", default=",".join(USAGES), show_default=True, help="What it may be used for, separated by commas.")
@click.option("--print-join-command", "prints_command", is_flag=True, help="Print the command that makes another machine a node with it.")
@pass_session
def create(
    session: Session,
    token: str | None,
    from_file: Path | None,
    ttl: float,
    description: str,
    groups: str,
    usages: str,
    prints_command: bool,
) -> None:
    """Make a token and print it. It is chosen by chance, unless --from-file brings one.

    \b
    Examples:
      ph token create
      ph token create --print-join-command
      ph token create --ttl 0 --description "for the image of new machines"
      ph token create --from-file /root/token
    """
    if token is not None:
        way = copyable("token create --from-file -")
        raise click.UsageError(
            f"a token between the arguments is shown to everybody who lists processes: `{way}` reads it from standard input"
        )
    if ttl > _LONGEST_S:
        raise click.UsageError("--ttl is longer than a hundred years: use 0 for a token without an end")
    place = _place(session) if prints_command else None
    expires_at = time.time() + ttl if ttl else None
    try:
        made = _token(None if from_file is None else _read(from_file), expires_at, description, groups, usages)
    except BadToken as error:
        raise click.UsageError(str(error).replace("data[auth-extra-groups]", "--groups")) from error
    run(_create(session, made))
    click.echo(str(made) if place is None else f"ph join {place[0]} --token {made} --ca-cert-hash {place[1]}")


def _place(session: Session) -> tuple[str, str]:
    """HOST:PORT of the API server for other machines, and the hash of the authority's key. Raises ClickException."""
    from pilothouse.client.kubeconfig import load
    from pilothouse.wire.pki import public_key_hash

    if session.is_local and not session.kubeconfig.exists():
        raise click.ClickException(session.absent())
    found = load(session.kubeconfig)
    if found.certificate_authority is None:
        raise click.ClickException(f"{session.kubeconfig} names no certificate authority, whose hash the command would hold")
    place = urlsplit(found.server).netloc
    if session.is_local:
        settings = Settings.load(session.home)
        address = "" if settings is None else next(iter((*split(settings.api_listen), *settings.nodes_gateways)), "")
        if settings is None or not address:
            raise click.ClickException(
                f"the API server listens on loopback alone: `{session.command('down')}`, and then "
                f"`{session.command('up --api-listen ADDRESS')}` with an address by which the other machine reaches this one"
            )
        place = with_port(address, settings.api_port)
    return place, public_key_hash(found.certificate_authority)


def _read(path: Path) -> str:
    try:
        if str(path) == "-":
            return sys.stdin.read(_LONGEST_FILE).strip()
        with path.open() as file:
            return file.read(_LONGEST_FILE).strip()
    except OSError as error:
        raise click.UsageError(f"--from-file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--from-file {path} is no text") from error


def _token(text: str | None, expires_at: float | None, description: str, groups: str, usages: str) -> BootstrapToken:
    """Raises BadToken."""
    parts = (chance(6), chance(16)) if text is None else bootstrap_tokens.parse(text)
    if parts is None:
        raise BadToken("the token is not of the form abcdef.0123456789abcdef: leave --from-file out to have one chosen")
    used = bootstrap_tokens.known_usages([usage.strip() for usage in usages.split(",") if usage.strip()])
    if not used:
        raise BadToken(f"--usages is empty: name {' or '.join(USAGES)}")
    named = tuple(sorted({group.strip() for group in groups.split(",") if group.strip()}))
    made = BootstrapToken(*parts, expires_at, named, used, description)
    return bootstrap_tokens.read(bootstrap_tokens.to_secret(made))


def chance(length: int) -> str:
    """A part of a token that nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


async def _create(session: Session, made: BootstrapToken) -> None:
    from pilothouse.model.errors import AlreadyExists
    from pilothouse.model.kinds import SECRETS

    async with connected(session) as client:
        try:
            await client.create(SECRETS, bootstrap_tokens.to_secret(made), NAMESPACE)
        except AlreadyExists as error:
            command = copyable(f"token delete {made.id}")
            raise click.ClickException(f"there is a token {made.id} already: `{command}` deletes it, or choose another") from error


@token.command(name="list")
@output.OUTPUT
@pass_session
def list_(session: Session, output: str) -> None:
    """List the tokens, expired ones and those that sign nobody in included.

    \b
    Examples:
      ph token list
      ph token list -o json
    """
    run(_list(session, output))


async def _list(session: Session, how: str) -> None:
    async with connected(session) as client:
        found = await _stored(client)
    if how != "table":
        output.document([_as_data(each) for each in found if each is not None], how)
    elif not found:
        output.note(f"no tokens: `{copyable('token create')}` makes one")
    else:
        rows = [_row(secret) for secret in found]
        output.table(["token", "expires", "usages", "description", "groups"], rows)


async def _stored(client: "Client") -> "list[Object]":
    from pilothouse.model.kinds import SECRETS

    found = await client.list_all(SECRETS, NAMESPACE, field_selector=f"type={SECRET_TYPE}")
    return sorted(found.items, key=meta.name)


def _row(secret: "Object") -> Sequence[str]:
    try:
        read = bootstrap_tokens.read(secret)
    except BadToken as error:
        return [meta.name(secret), output.bad("never good"), "", str(error), ""]
    return [str(read), _shown_end(read), ",".join(read.usages), read.description, ",".join(read.groups)]


def _shown_end(read: BootstrapToken) -> str:
    if read.expires_at is None:
        return "never"
    return output.bad("expired") if read.is_expired(time.time()) else meta.rfc3339(read.expires_at)


def _as_data(secret: "Object") -> "Object":
    try:
        read = bootstrap_tokens.read(secret)
    except BadToken as error:
        return {"secret": meta.name(secret), "problem": str(error)}
    expires = None if read.expires_at is None else meta.rfc3339(read.expires_at)
    shown = {"token": str(read), "expires": expires, "usages": list(read.usages), "groups": list(read.groups)}
    return shown | {"description": read.description}


@token.command()
@click.argument("tokens", metavar="TOKEN|ID...", nargs=-1, required=True)
@pass_session
def delete(session: Session, tokens: tuple[str, ...]) -> None:
    """Delete tokens, named whole or by their first six characters. Who has signed in with one before keeps the certificate.

    \b
    Example:
      ph token delete abcdef
    """
    ids = [_id(text) for text in tokens]
    run(_delete(session, ids))


def _id(text: str) -> str:
    own = text.partition(".")[0]
    if bootstrap_tokens.parse(f"{own}.{'0' * 16}") is None:
        raise click.UsageError(f"{own!r} is no token: name its first six characters, as `{copyable('token list')}` shows them")
    return own


async def _delete(session: Session, ids: Sequence[str]) -> None:
    from pilothouse.model.errors import NotFound
    from pilothouse.model.kinds import SECRETS

    missing = []
    async with connected(session) as client:
        for own in ids:
            try:
                await client.delete(SECRETS, bootstrap_tokens.NAME_PREFIX + own, NAMESPACE)
                output.say(f"deleted the token {own}")
            except NotFound:
                missing.append(own)
    if missing:
        raise click.ClickException(f"there is no token {', '.join(missing)}: `{copyable('token list')}` shows those there are")
