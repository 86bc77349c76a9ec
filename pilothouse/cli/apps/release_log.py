"""What the release process of an app printed, when it failed."""

from typing import TYPE_CHECKING

from pilothouse.cli import output
from pilothouse.cli.apps.lookup import pods_of
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.platform.apps.processes import RELEASE
from pilothouse.platform.apps.resource import APPS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

LINES = 50


async def show_release_log(client: "Client", name: str, namespace: str) -> None:
    """The end of its log, on standard error; nothing when the app has not failed in its release."""
    app = await client.get_or_none(APPS, name, namespace)
    if (meta.condition(app or {}, "Ready") or {}).get("reason") != "ReleaseFailed":
        return
    pods = await pods_of(client, name, namespace, RELEASE)
    newest = max(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", default=None)
    if newest is None:
        return
    try:
        async with client.logs(meta.name(newest), namespace, container="app", tail_lines=LINES) as pieces:
            text = b"".join([piece async for piece in pieces]).decode(errors="replace")
    except ApiError:
        return
    output.note(text.rstrip("\n"))
