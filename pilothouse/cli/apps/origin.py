"""Where an app's source came from, written into it, so that another folder of the same name is not taken for it."""

import socket
import sys
from pathlib import Path

import click

from pilothouse.cli import asking
from pilothouse.cli.apps.location import located
from pilothouse.model import meta
from pilothouse.model.json import Object

ORIGIN = "apps.pilothouse.dev/origin"
"""Annotation: `folder HOST:PATH`, `git URL` or `image REPOSITORY`."""


def of(where: str, image: str | None) -> str:
    if image:
        return f"image {repository(image)}"
    if (location := located(where)) is not None:
        return f"git {location.url}"
    return f"folder {socket.gethostname()}:{Path(where).resolve()}"


def repository(image: str) -> str:
    """Without tag and digest; a port of the registry is no tag."""
    head, slash, last = image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def confirm(before: Object | None, origin: str, *, yes: bool, otherwise: str = "give this one a name with --name") -> None:
    """Ask before an app of another source is replaced. Apps that do not say where they came from are not asked about.

    otherwise: how to deploy beside it instead.
    """
    known = meta.annotations(before or {}).get(ORIGIN, "")
    if not known or known == origin or yes:
        return
    assert before is not None
    name = meta.name(before)
    what = f"app {name} came from {known}, and this is {origin}"
    if not sys.stdin.isatty():
        raise click.ClickException(f"{what}: {otherwise}, or replace {name} with --yes")
    asking.confirm(f"{what}. Replace {name}?", yes=False, kept=f"{name} is as it was: {otherwise}")
