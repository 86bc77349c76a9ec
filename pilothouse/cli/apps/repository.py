"""A Git repository as the source of an app: the commit that is meant now, and what its files say."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.apps.own_secret import labels
from pilothouse.cli.apps.wish import Prepared, Wish
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.platform.builds.git.location import Location

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.platform.builds.git.credentials import Credentials

BASIC_AUTH = "kubernetes.io/basic-auth"


def git_secret_name(app_name: str) -> str:
    return f"{app_name}-git"


async def place(client: "Client", wish: Wish, location: Location, before: Object | None) -> Object:
    """The source as the App's spec has it. Credentials that stood in the URL are kept in a Secret."""
    secret = await _secret(client, wish, location, before)
    commit = await commit_of(location, await _credentials(client, secret, wish.namespace))
    found = {"url": location.url, "revision": location.revision, "commit": commit, "secret": secret}
    return {"git": {key: value for key, value in found.items() if value}} | ({"path": location.path} if location.path else {})


async def commit_of(location: Location, credentials: "Credentials | None") -> str | None:
    """None where there is no git here: the build finds it."""
    import shutil

    from pilothouse.platform.builds.git.clone import GitFailed
    from pilothouse.platform.builds.git.resolve import resolve

    if shutil.which("git") is None:
        return None
    try:
        return await resolve(location, credentials)
    except GitFailed as error:
        raise click.ClickException(str(error)) from error


async def look(client: "Client | None", wish: Wish, location: Location, place: Object, port: int | None) -> Prepared:
    """What the commit's files say of processes, health check and variables. The build makes the Dockerfile where there is none."""
    from dataclasses import replace

    from pilothouse.platform.builds.git.clone import GitFailed
    from pilothouse.platform.builds.git.resolve import checkout

    git = place["git"]
    if not git.get("commit"):
        return Prepared(None, "", "", None)
    credentials = await _credentials(client, git.get("secret", ""), wish.namespace) if client is not None else None
    with tempfile.TemporaryDirectory(prefix="pilothouse-source-") as folder:
        try:
            cloned = await checkout(replace(location, revision=git["commit"]), Path(folder), credentials)
        except GitFailed as error:
            raise click.ClickException(str(error)) from error
        prepared = _prepared(wish, location, Path(folder), port)
    return replace(prepared, tree=None, inline="", warnings=(*prepared.warnings, *cloned.notes))


def _prepared(wish: Wish, location: Location, checkout: Path, port: int | None) -> Prepared:
    """A link of the repository may lead anywhere on this machine."""
    from pilothouse.cli.apps.prepare import prepare_tree

    tree = (checkout / location.path).resolve()
    if not tree.is_dir() or not tree.is_relative_to(checkout.resolve()):
        raise click.ClickException(f"{location.url} has no folder {location.path} at {location.revision or 'its default branch'}")
    return prepare_tree(wish, tree, port, name=location.url)


async def _secret(client: "Client", wish: Wish, location: Location, before: Object | None) -> str:
    """The Secret with the repository's credentials: named by the user, made of the URL's, or the one in use; "" for none."""
    if wish.git_secret is not None:
        if wish.git_secret and await client.get_or_none(kinds.SECRETS, wish.git_secret, wish.namespace) is None:
            raise click.ClickException(f"there is no Secret {wish.git_secret} in namespace {wish.namespace}: make it first")
        return wish.git_secret
    if location.password:
        await _keep(client, wish, location)
        return git_secret_name(wish.name)
    known = (((before or {}).get("spec") or {}).get("source") or {}).get("git") or {}
    return str(known.get("secret") or "") if known.get("url") == location.url else ""


async def _keep(client: "Client", wish: Wish, location: Location) -> None:
    from pilothouse.platform.builds.git.credentials import Credentials

    name, data = git_secret_name(wish.name), Credentials(location.username, location.password).secret()
    if await client.get_or_none(kinds.SECRETS, name, wish.namespace) is None:
        metadata = {"name": name, "namespace": wish.namespace, "labels": labels(wish.name)}
        await client.create(kinds.SECRETS, {"metadata": metadata, "type": BASIC_AUTH, "stringData": data})
    else:
        await client.patch(kinds.SECRETS, name, {"stringData": data}, namespace=wish.namespace)
    output.note(f"the credentials of the URL are kept in the Secret {name}; leave them out from now on")


async def _credentials(client: "Client", secret: str, namespace: str) -> "Credentials | None":
    import base64

    from pilothouse.platform.builds.git.credentials import Credentials

    found = await client.get_or_none(kinds.SECRETS, secret, namespace) if secret else None
    if found is None:
        return None
    values = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
    names = ("username", "password", "ssh-privatekey", "known_hosts")
    return Credentials(*[values.get(name, "") for name in names])
