"""Waiting for a rollout, with what belongs to every command that starts one."""

import asyncio
from typing import TYPE_CHECKING

import click

from pilothouse.cli.apps.own_secret import Change
from pilothouse.cli.apps.release_log import show_release_log
from pilothouse.cli.apps.rollout import Rollout
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

RETURN_S = 120.0
"""How long a state that is brought back is waited for."""


async def written(client: "Client", rollout: Rollout, secret: Change | None) -> bool:
    """Write the change of the Secret, then the App; False when both were just so.

    An App that is refused takes the change of its Secret with it: the platform would roll out the one without the other.
    """
    rollout.expected = await secret.apply(client) if secret is not None else {}
    try:
        is_changed = await rollout.apply()
    except (ApiError, click.ClickException, asyncio.CancelledError):
        if secret is not None:
            await asyncio.shield(secret.take_back(client))
        raise
    return is_changed or (secret is not None and not secret.is_none)


async def followed(client: "Client", rollout: Rollout, secret: Change | None, timeout_s: float) -> Object:
    """The App when it serves. A change of its Secret is taken back with the App; a failed release shows its log."""
    try:
        return await rollout.follow(timeout_s)
    except asyncio.CancelledError:
        if rollout.was_taken_back and secret is not None:
            await asyncio.shield(secret.take_back(client))
        raise
    except click.ClickException as failed:
        await show_release_log(client, rollout.name, rollout.namespace)
        if not rollout.was_taken_back:
            raise
        if secret is not None:
            await asyncio.shield(secret.take_back(client))
        raise click.ClickException(f"{failed.message}; {await rollout.returned(RETURN_S)}") from failed
