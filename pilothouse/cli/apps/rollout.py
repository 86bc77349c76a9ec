"""From an applied App to its URL: shows what is waited for, and says when the app was seen to serve, or why it does not."""

import asyncio
import contextlib
import time

import click

from pilothouse.aio.tasks import scope
from pilothouse.cli import output
from pilothouse.cli.apps.build_log import BuildLog
from pilothouse.cli.apps.difference import carried_over
from pilothouse.cli.apps.lookup import is_current
from pilothouse.cli.apps.outlook import Outlook
from pilothouse.cli.apps.route import gateway
from pilothouse.cli.apps.spell import Spell
from pilothouse.cli.session import copyable, is_verbose, placed
from pilothouse.client.client import Client
from pilothouse.client.retrying import RetryingTransport
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError, Conflict
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS

WAITING = frozenset({"Building", "Releasing", "RollingOut", ""})
LOOKED_AT = frozenset({"Building", "RollingOut"})
"""Reasons behind which there may be a cause that the App does not name."""
POLL_S = 0.2
CONFIRMED_S = 0.6
"""How long an app is called invalid before that is believed."""
LAST_LINES = 10
WRITE_TRIES = 10


class Rollout:
    """wanted: the App to apply; before: as it was, None for a new one.

    expected: resourceVersions of Secrets, by name, that the status must speak of before it counts; set it before `follow`.
    was_taken_back: the App is as it was: the deploy was interrupted, or has failed and left nothing that serves. route: by which it is
    asked whether it serves; None where that is not this machine's gateway.
    """

    def __init__(self, client: Client, wanted: Object, before: Object | None) -> None:
        self.client = Client(RetryingTransport(client.transport, on_outage=self._show_outage), field_manager=client.field_manager)
        self.wanted = wanted
        self.before = before
        self.name = meta.name(wanted)
        self.namespace = meta.namespace(wanted)
        self.expected: dict[str, str] = {}
        self.was_taken_back = False
        self._invalid = Spell()
        self.route = gateway()
        self.outlook = Outlook(self.client, self.name, self.namespace)
        self._waiting = output.Waiting()
        self._build_log = BuildLog(self.client, self.name, self.namespace, self._waiting, verbose=is_verbose())

    def _show_outage(self, error: Exception) -> None:
        self._waiting.show("the API server does not answer; the deploy goes on as soon as it does")

    async def apply(self) -> bool:
        """Write the App; False when it was there already, just so."""
        if self.before is None:
            await self.client.create(APPS, self.wanted)
            return True
        written = await self._carry_over(self.before, self.wanted)
        return bool(written["metadata"]["generation"] != self.before["metadata"]["generation"])

    async def _carry_over(self, before: Object, after: Object) -> Object:
        """Write what differs between the two onto the App as it is by then: a `ph scale` in between keeps its number."""
        for number in range(WRITE_TRIES):
            # A write that is on its way to the disk already counts, and cannot be read yet.
            await asyncio.sleep(POLL_S / 4 * number)
            current = await self.client.get(APPS, self.name, self.namespace)
            marks = meta.annotations(current) | meta.annotations(after)
            spec = carried_over(before["spec"], after["spec"], current["spec"])
            changed = current | {"metadata": current["metadata"] | {"annotations": marks}, "spec": spec}
            with contextlib.suppress(Conflict):
                return await self.client.update(APPS, changed)
        raise click.ClickException(f"{self.name} is being changed by somebody else: try again")

    async def follow(self, timeout_s: float) -> Object:
        """Until it is seen to serve; raises ClickException with the reason when it does not. Ctrl-C takes the change back.

        Returns the App.
        """
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s) as deadline, scope() as tasks:
                tasks.spawn(self._show_builds(), name="build log")
                try:
                    app = await self._settled()
                except asyncio.CancelledError:
                    # Before the log is let go: it ends by itself when its build does.
                    if not deadline.expired():
                        await asyncio.shield(self._take_back())
                    raise
                finally:
                    self._build_log.end()
                tasks.cancel()
        except TimeoutError as error:
            raise click.ClickException(self._late(timeout_s)) from error
        finally:
            self._waiting.clear()
        if app is None or not meta.is_true(app, "Ready"):
            failure = await self._failure(app)
            await self._bring_back(app)
            raise click.ClickException(failure)
        output.note(placed(_done(app, time.monotonic() - begun), namespace=self.namespace))
        return app

    async def _settled(self) -> Object | None:
        """The app once its newest generation serves or the platform has given it up; None once it is certain that it will not serve."""
        while True:
            app = await self.client.get(APPS, self.name, self.namespace)
            condition = meta.condition(app, "Ready") or {}
            is_decided = bool(condition) and (condition["status"] == "True" or condition["reason"] not in WAITING)
            invalid_s = self._invalid.lasts_s(self._is_current(app) and condition.get("reason") == "InvalidApp", time.monotonic())
            if is_decided and self._is_current(app):
                # An app may be judged before the platform has heard of what was made just before it, such as a claim that it mounts.
                is_confirmed = condition["reason"] != "InvalidApp" or invalid_s >= CONFIRMED_S
                if condition["status"] != "True" and is_confirmed:
                    await self._known_failure(app)
                    return app
                if condition["status"] == "True" and await self._is_answered(app):
                    return app
            elif self._is_current(app) and condition.get("reason") in LOOKED_AT:
                await self.outlook.refresh()
            if self._is_hopeless(app, condition):
                return None
            if self._build_log.is_streaming:
                self._build_log.show_running()
            else:
                self._waiting.show(self._waited_for(condition))
            await asyncio.sleep(POLL_S)

    async def _known_failure(self, app: Object) -> None:
        """What belongs to a failure that the platform has found."""
        if _is_build_failed(app):
            await self._build_log.show_failure()
        await self.outlook.refresh()

    async def _is_answered(self, app: Object) -> bool:
        """Whether requests for the app are answered; so they are taken to be where its route cannot be asked from here."""
        url = app["status"].get("url", "")
        web = app["spec"].get("replicas", 1)
        return self.route is None or not url or not web or await self.route.is_answered(url)

    def _is_hopeless(self, app: Object, condition: Object) -> bool:
        if condition.get("status") == "True":
            return self.route is not None and self.route.is_hopeless
        return condition.get("reason") == "RollingOut" and self.outlook.is_hopeless(meta.generation(app))

    def _waited_for(self, condition: Object) -> str:
        if condition.get("status") == "True" and self.route is not None and self.route.fault:
            return self.route.fault
        return self.outlook.sentence or condition.get("message") or "waiting for the platform"

    def _late(self, timeout_s: float) -> str:
        why = f"`{copyable(f'why {self.name}', self.namespace)}` says what it waits for"
        built = "its build goes on" if self.outlook.is_building else ""
        cause = placed(self.outlook.sentence or built, namespace=self.namespace)
        return f"{self.name} does not serve after {timeout_s:g} s: {f'{cause}; ' if cause else ''}{why}"

    async def _failure(self, app: Object | None) -> str:
        """One sentence: the cause, what goes on serving, the way out; the last lines of the app are shown before it."""
        condition = meta.condition(app or {}, "Ready") or {}
        outlook, route = self.outlook, self.route
        if app is None and route is not None and not outlook.is_hopeless(0):
            await outlook.refresh()
            await self._show_last_lines()
            earlier = outlook.earlier_revision
            step = f"see `ph logs {self.name}`{f'; `ph rollback {self.name}` brings revision {earlier} back' if earlier else ''}"
            return placed(f"{self.name} is not deployed: its replicas run, but {route.fault}; {step}", namespace=self.namespace)
        cause, step = outlook.sentence, outlook.why.next_step if outlook.why is not None else ""
        if app is not None and _is_build_failed(app):
            built = (meta.condition(app, "Built") or {}).get("message") or condition["message"]
            serving = f"; {outlook.still_serving} goes on serving" if outlook.still_serving else ""
            log = f"all that it printed: `ph logs {self.name} --build`"
            return placed(f"{self.name} is not deployed: {built.rstrip('. ')}{serving}; {log}", namespace=self.namespace)
        if app is not None and condition.get("reason") == "ReleaseFailed":
            serving = f"; {outlook.still_serving} goes on serving" if outlook.still_serving else ""
            log = f"see `ph logs {self.name} --process release`"
            return placed(f"{self.name} is not deployed: {condition['message']}{serving}; {log}", namespace=self.namespace)
        if app is not None and (condition["reason"] != "ProgressDeadlineExceeded" or not cause):
            return placed(f"{self.name} is not deployed: {condition['message'] or condition['reason']}", namespace=self.namespace)
        await self._show_last_lines()
        serving = f"; {outlook.still_serving} goes on serving" if outlook.still_serving else ""
        return placed(f"{self.name} is not deployed: {cause}{serving}; {step}", namespace=self.namespace)

    async def _show_last_lines(self) -> None:
        lines = await self.outlook.last_lines(LAST_LINES)
        if lines:
            output.note("the last that it printed:")
        for line in lines:
            output.note(f"    {line}")

    def _is_current(self, app: Object) -> bool:
        """Whether the status speaks of the spec and of the Secrets as they were written."""
        seen = {each["name"]: each["resourceVersion"] for each in (app.get("status") or {}).get("observedSecrets") or ()}
        newer = all(int(seen.get(name, "0")) >= int(version) for name, version in self.expected.items())
        return is_current(app) and newer

    async def _show_builds(self) -> None:
        """A log that cannot be read is no reason to give up the deploy."""
        with contextlib.suppress(ApiError):
            await self._build_log.follow()

    async def _bring_back(self, app: Object | None) -> None:
        """The state before, where its replicas had to end for the new ones that do not serve (see `platform.apps.volumes`).

        app: as `_settled` returned it.
        """
        reason = (meta.condition(app or {}, "Ready") or {}).get("reason", "")
        if self.before is None or not meta.is_true(self.before, "Ready") or (app is not None and reason != "ProgressDeadlineExceeded"):
            return
        try:
            if await recreates(self.client, self.wanted):
                await self._carry_over(self.wanted, self.before)
                self.was_taken_back = True
        except ApiError as error:
            output.note(f"the state before could not be brought back: {error.message}")

    async def returned(self, timeout_s: float) -> str:
        """How it stands after `was_taken_back`, once the state before serves again or that takes too long: a clause for a sentence."""
        revision = ((self.before or {}).get("status") or {}).get("revision", 0)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    app = await self.client.get(APPS, self.name, self.namespace)
                    if is_current(app) and meta.is_true(app, "Ready"):
                        return f"the state of revision {revision} is back and {'serves' if app['status'].get('url') else 'runs'}"
                    self._waiting.show(f"the state of revision {revision} is brought back, since the old replica had to end first")
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return f"the state of revision {revision} is being brought back"
        finally:
            self._waiting.clear()

    async def _take_back(self) -> None:
        """An interrupted deploy leaves what was there before: the build stops, the app is as it was."""
        try:
            app = await self.client.get_or_none(APPS, self.name, self.namespace)
            if app is None or meta.condition(app, "Ready") is None or (meta.condition(app, "Built") or {}).get("status") == "True":
                return
            if name := (app.get("status") or {}).get("build"):
                await self.client.patch(BUILDS, name, {"spec": {"cancelled": True}}, namespace=self.namespace)
            if self.before is None:
                await self.client.delete(APPS, self.name, self.namespace, propagation="Background")
            else:
                await self._carry_over(self.wanted, self.before)
        except ApiError as error:
            output.note(f"the change could not be taken back: {error.message}")
        else:
            self.was_taken_back = True
            output.note("cancelled; everything is as it was before")


async def recreates(client: Client, app: Object) -> bool:
    """Whether a replica of the app ends before the one that replaces it starts."""
    names = [processes.deployment_name(app, process.name) for process in processes.lasting(app)]
    found = [await client.get_or_none(kinds.DEPLOYMENTS, name, meta.namespace(app)) for name in names]
    return any(each is not None and (each["spec"].get("strategy") or {}).get("type") == "Recreate" for each in found)


def _done(app: Object, seconds: float) -> str:
    status, name = app["status"], meta.name(app)
    wanted = [app["spec"].get("replicas", 1), *(each.get("replicas", 0) for each in status.get("processes") or ())]
    if not any(wanted):
        return output.good(f"{name} has revision {status['revision']}") + f" and is scaled to 0: `ph scale {name}=1` starts it"
    return output.good(f"{name} {'serves' if status.get('url') else 'runs'}") + f" revision {status['revision']} after {seconds:.1f} s"


def _is_build_failed(app: Object) -> bool:
    built = meta.condition(app, "Built") or {}
    return built.get("status") == "False" and built.get("reason") not in ("NoSource", "NoRegistry")
