from collections.abc import AsyncIterator

import pytest

from pilothouse.engine.apiserver import following
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.webhooks.client import WebhookClient
from pilothouse.engine.apiserver.webhooks.services import SLICES, Services, SlicesOfServices
from pilothouse.engine.store.store import Store
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.webhooks.listener import Listener, listening


@pytest.fixture
async def caller(store: Store) -> AsyncIterator[WebhookClient]:
    """The client alone, without a server."""
    slices = SlicesOfServices()
    following.follow(store, [SLICES], slices)
    client = WebhookClient(Services(Objects(store), slices))
    yield client
    await client.close()


@pytest.fixture
async def listener(authority: CertificateAuthority) -> AsyncIterator[Listener]:
    async with listening(authority, "hook.default.svc") as listener:
        yield listener
