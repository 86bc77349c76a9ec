"""Waits until an instance is as its spec asks for, shows meanwhile what is missing, and ends as soon as it is known that it will not be."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import standing
from pilothouse.cli.mysql.patience import GIVE_UP_S, Patience
from pilothouse.cli.session import copyable, placed
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQLS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

POLL_S = 0.2
UNSEEN_S = 60.0
"""How long a change may be seen by nobody: a platform that is started again takes less."""
Lacking = Callable[[Object], str]
"""Half a sentence on what is missing, "" when all is there."""


class Following:
    """One instance. unready_s: how long it was seen not to be ready while it was waited for."""

    def __init__(self, client: "Client", name: str, namespace: str, *, give_up_s: float = GIVE_UP_S, unseen_s: float = UNSEEN_S) -> None:
        from pilothouse.client.client import Client
        from pilothouse.client.retrying import RetryingTransport

        self._client = Client(RetryingTransport(client.transport, on_outage=self._show_outage), field_manager=client.field_manager)
        self.name, self.namespace = name, namespace
        self.unready_s = 0.0
        self._patience, self._unseen_s = Patience(give_up_s), unseen_s
        self._waiting = output.Waiting()
        self._seen = time.monotonic()

    def _show_outage(self, error: Exception) -> None:
        self._waiting.show("the API server does not answer; the change goes on as soon as it does")

    async def until(self, lacking: Lacking, timeout_s: float, *, interrupted: str = "") -> Object:
        """The instance once nothing is lacking. Raises ClickException with the cause when it will not be, or is not in time.

        interrupted: what Ctrl-C leaves, a sentence.
        """
        missing = ""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    instance = await self._client.get_or_none(MYSQLS, self.name, self.namespace)
                    if instance is None:
                        raise click.ClickException(f"{self.name} was deleted meanwhile")
                    if not (missing := lacking(instance)):
                        return instance
                    self._judge(instance)
                    self._waiting.show(f"{self.name}: {missing}")
                    await self._pause(instance)
        except TimeoutError as error:
            raise click.ClickException(self._late(missing, timeout_s)) from error
        except asyncio.CancelledError:
            self._waiting.clear()
            output.note(interrupted or f"what was asked for goes on: `{self._command('show')}` tells how far it is")
            raise
        finally:
            self._waiting.clear()

    def _command(self, verb: str) -> str:
        return copyable(f"mysql {verb} {self.name}", self.namespace)

    def _judge(self, instance: Object) -> None:
        """Raises ClickException when waiting is of no use."""
        if standing.is_current(instance):
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._unseen_s:
            raise click.ClickException(f"no platform has looked at {self.name} for {self._unseen_s:g} s; {self._more()}")
        if why := standing.refused(instance):
            raise click.ClickException(placed(f"{self.name} is not as asked for: {why}", namespace=self.namespace))
        if lost := self._patience.lost(instance):
            raise click.ClickException(placed(f"{self.name} is not as asked for, and {lost}; {self._more()}", namespace=self.namespace))

    async def _pause(self, instance: Object) -> None:
        begun = time.monotonic()
        await asyncio.sleep(POLL_S)
        if standing.is_current(instance) and not meta.is_true(instance, "Ready"):
            self.unready_s += time.monotonic() - begun

    def _late(self, missing: str, timeout_s: float) -> str:
        return f"{self.name} is not as asked for after {timeout_s:g} s: {placed(missing, namespace=self.namespace)}; {self._more()}"

    def _more(self) -> str:
        return f"`{copyable(f'why mysql/{self.name}', self.namespace)}` says more"
