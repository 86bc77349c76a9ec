"""The state of each app in one word, and the sentence behind it; the same that `ph why` says."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.cli.session import placed
from pilothouse.cli.why.finding import State
from pilothouse.cli.why.listed import Listed
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes

GOOD = frozenset({State.SERVING, State.RUNNING})
WORKING = frozenset({State.BUILDING, State.RELEASING, State.ROLLING_OUT, State.SCALED_TO_ZERO, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Standing:
    """sentence: "" where nothing was looked for."""

    state: str
    sentence: str = ""


async def standings(client: Client, apps: Sequence[Object], *, sentences: bool) -> list[Standing]:
    """In the order of the apps. sentences: also of apps of which the App alone says that they are well."""
    reader = Listed(client)
    found = []
    for app in apps:
        state = of_status(app)
        found.append(Standing(state) if state in GOOD and not sentences else await _looked_at(client, reader, app))
    return found


def of_status(app: Object) -> str:
    """What the App's own status says."""
    ready = meta.condition(app, "Ready") or {}
    if ready.get("status") != "True":
        return str(ready.get("reason") or "Pending")
    lasting = processes.lasting(app)
    asked = [process for process in lasting if process.name == processes.WEB] if processes.has_port(app) else lasting
    return str(ready["reason"]) if any(process.replicas for process in asked) else State.SCALED_TO_ZERO


async def _looked_at(client: Client, reader: Listed, app: Object) -> Standing:
    from pilothouse.cli.why.causes import explain
    from pilothouse.cli.why.look import look
    from pilothouse.cli.why.peek import peek

    try:
        scene = await look(reader, "App", meta.name(app), meta.namespace(app), time.time(), ())
        found = explain(scene)
        if found.chain:
            found = explain(await peek(client, scene))
    except Forbidden:
        return Standing(of_status(app))
    return Standing(str(found.state), placed(found.sentence, namespace=meta.namespace(app)))
