"""What a node that has joined a cluster says while it cannot reach it."""

import asyncio
import socket

import pytest

from pilothouse.cli.daemon import joined
from pilothouse.cli.settings.home import Settings


async def test_an_api_server_that_cannot_be_reached_is_named_and_reached_once_it_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Held, so that nobody else listens there; nothing listens yet.
        server = f"https://127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(server=server)
        with pytest.raises(
            joined.ApiAway, match=rf"API server at {server} cannot be reached \(.*refused.*\): `ph status` on the first machine"
        ):
            await joined.reach(settings, patience_s=0.3)
        taken.listen()
        async with asyncio.timeout(10):
            await joined.reach(settings, patience_s=10)
