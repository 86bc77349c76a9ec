"""What the cluster says in the Events of a namespace: asked for now and then, however many instances in it want to know."""

import asyncio

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.trouble import MOST_EVENTS

EACH_S = 2.0
"""Between two requests for the same Events."""


class Events:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], tuple[float, list[Object]]] = {}

    async def of(self, instance: Object, selected: str) -> list[Object]:
        """Those of its namespace, at most EACH_S old. selected: field selector. Raises ApiError."""
        namespace, now = meta.namespace(instance), asyncio.get_running_loop().time()
        self._known = {key: known for key, known in self._known.items() if now < known[0] + EACH_S}
        if (namespace, selected) not in self._known:
            page = await self._client.list(kinds.EVENTS, namespace, field_selector=selected, limit=MOST_EVENTS)
            self._known[namespace, selected] = (now, page.items)
            return page.items
        return self._known[namespace, selected][1]
