"""From a written or deleted Binding to the app that serves with the variables, or without them."""

import asyncio
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.apps.outlook import Outlook
from pilothouse.cli.mysql import standing
from pilothouse.cli.mysql.patience import Patience
from pilothouse.cli.session import copyable, placed
from pilothouse.client.client import Client
from pilothouse.client.retrying import RetryingTransport
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.databases.pattern.binding.names import app_of, service_of
from pilothouse.platform.databases.resource import BINDINGS, MYSQLS

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.2
PASSING = frozenset(["", "Waiting", "Joining", "RollingOut", "Unbinding"])
"""Reasons of a Binding's Ready condition that pass by themselves; with any other it stays as it is until somebody acts."""


class Following:
    """verb: what was asked for, such as `bound`, for the sentence when it does not come to that. otherwise: another way, the end of it."""

    def __init__(self, client: Client, binding: Object, verb: str, otherwise: str = "") -> None:
        self.client = Client(RetryingTransport(client.transport, on_outage=self._show_outage), field_manager=client.field_manager)
        self.name, self.namespace, self.app = meta.name(binding), meta.namespace(binding), app_of(binding)
        self._service, self._patience = service_of(binding), Patience()
        self.uid = meta.uid(binding)
        self.verb = verb
        self._otherwise = otherwise
        self.outlook = Outlook(self.client, self.app, self.namespace)
        self._waiting = output.Waiting()

    async def bound(self, timeout_s: float) -> Object:
        """Until the app serves with the variables; raises ClickException with the cause when it does not."""
        return await self._until(lambda found: found is not None and _is_bound(found), timeout_s) or {}

    async def rotated(self, timeout_s: float) -> Object:
        """As `bound`, with the password that `rotatedAt` of the Binding asks for."""
        return await self._until(lambda found: found is not None and _is_rotated(found), timeout_s) or {}

    async def unbound(self, timeout_s: float) -> None:
        """Until the app serves without them; the account goes a little later, by itself."""
        await self._until(lambda found: found is None or _reason(found) == "Draining", timeout_s)

    async def _until(self, holds: "Callable[[Object | None], bool]", timeout_s: float) -> Object | None:
        try:
            async with asyncio.timeout(timeout_s):
                while not holds(found := await self._binding()):
                    if found is None:
                        raise click.ClickException(f"binding {self.name} was deleted meanwhile")
                    await self._look(found)
                    await asyncio.sleep(POLL_S)
                return found
        except TimeoutError as error:
            why = f"`{copyable(f'why {self.app}', self.namespace)}` says what it waits for"
            cause = f"{placed(self.outlook.sentence, namespace=self.namespace)}; " if self.outlook.sentence else ""
            raise click.ClickException(f"{self.app} is not {self.verb} after {timeout_s:g} s: {cause}{why}") from error
        finally:
            self._waiting.clear()

    async def _binding(self) -> Object | None:
        """None also when another one has its name by now."""
        found = await self.client.get_or_none(BINDINGS, self.name, self.namespace)
        return found if found is not None and meta.uid(found) == self.uid else None

    async def _look(self, found: Object) -> None:
        """Raises ClickException when it is certain that waiting is of no use."""
        ready = meta.condition(found, "Ready") or {}
        if not _is_current(found) or not ready:
            self._waiting.show("waiting for the platform")
        elif ready["reason"] not in PASSING:
            raise click.ClickException(placed(f"{self.app} is not {self.verb}: {ready['message']}", namespace=self.namespace))
        elif ready["reason"] == "RollingOut":
            await self._look_at_app()
            self._waiting.show(self.outlook.sentence or ready["message"])
        elif ready["reason"] == "Waiting":
            await self._look_at_service()
            self._waiting.show(ready["message"])
        else:
            self._waiting.show(ready["message"])

    async def _look_at_service(self) -> None:
        service = await self.client.get_or_none(MYSQLS, self._service, self.namespace)
        if service is not None and (cause := standing.refused(service) or self._patience.lost(service)):
            more = f"`{copyable(f'why mysql/{self._service}', self.namespace)}` says more"
            cause = f"{self.app} is not {self.verb}, since {self._service} is not well: {cause}; {more}"
            raise click.ClickException(placed(cause, namespace=self.namespace))

    async def _look_at_app(self) -> None:
        await self.outlook.refresh()
        try:
            app = await self.client.get(APPS, self.app, self.namespace)
        except NotFound:
            return
        if self.outlook.is_hopeless(meta.generation(app)) and self.outlook.why is not None:
            cause = f"{self.app} is not {self.verb}: {self.outlook.sentence}; {self.outlook.why.next_step}{self._otherwise}"
            raise click.ClickException(placed(cause, namespace=self.namespace))

    def _show_outage(self, error: Exception) -> None:
        self._waiting.show("the API server does not answer; it goes on as soon as it does")


def _is_current(binding: Object) -> bool:
    return bool((binding.get("status") or {}).get("observedGeneration") == meta.generation(binding))


def _is_bound(binding: Object) -> bool:
    return _is_current(binding) and meta.is_true(binding, "Ready")


def _is_rotated(binding: Object) -> bool:
    return _is_bound(binding) and (binding.get("status") or {}).get("rotatedAt") == binding["spec"].get("rotatedAt")


def _reason(binding: Object) -> str:
    return str((meta.condition(binding, "Ready") or {}).get("reason", ""))
