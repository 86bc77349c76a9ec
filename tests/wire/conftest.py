"""Every test here runs on asyncio's own loop and on uvloop: the server has to mean the same on both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop

from pilothouse.wire import Handler, Limits, Request, Response, Server, serve
from tests.wire.raw import RawClient


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def echo(request: Request) -> Response:
    """Says what it was asked, one fact a line."""
    facts = [request.method, request.target, str(request.too_large), *(f"{name}={value}" for name, value in request.headers)]
    return Response(413 if request.too_large else 200, (("x-facts", "|".join(facts)),), request.body)


Start = Callable[..., Awaitable[Server]]
Connect = Callable[[Server], Awaitable[RawClient]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """start(handler, **limits) serves until the test ends."""
    async with AsyncExitStack() as stack:

        async def start_one(handler: Handler = echo, *, tls: Any = None, **limits: Any) -> Server:
            server = await serve(handler, tls=tls, limits=Limits(**limits))
            stack.push_async_callback(server.close, 0.1)
            return server

        yield start_one


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def connect_one(server: Server) -> RawClient:
            client = await RawClient.connect(server.port)
            stack.push_async_callback(client.close)
            return client

        yield connect_one
