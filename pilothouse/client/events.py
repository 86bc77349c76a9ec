"""The events of a watch, out of the bytes of its answer."""

from collections.abc import AsyncGenerator, AsyncIterable

from pilothouse.client.failures import ConnectionLost
from pilothouse.client.lines import lines
from pilothouse.client.transport import WatchEvent
from pilothouse.model.errors import ApiError
from pilothouse.model.json import loads


async def watch_events(chunks: AsyncIterable[bytes], server: str) -> AsyncGenerator[WatchEvent, None]:
    """Raises ApiError for an ERROR event, ConnectionLost when the bytes end inside an event."""
    try:
        async for line in lines(chunks):
            event = loads(line)
            if event["type"] == "ERROR":
                raise ApiError.from_status(event["object"])
            yield WatchEvent(event["type"], event["object"])
    except EOFError as error:
        raise ConnectionLost(f"the connection to {server} was lost in the middle of a watch event") from error
