"""What tests of versions have in common: who watches, and a webhook that converts."""

from collections.abc import AsyncIterator

import pytest

from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.versions.things import ONE, TWO, V1, convert, definition, thing, webhook
from tests.engine.apiserver.webhooks.listener import Listener, listening


@pytest.fixture(params=["in process", "over https"])
def watcher(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    """Who watches, in either way."""
    return api if request.param == "in process" else https.certified("watcher", ADMINS)


@pytest.fixture
async def listener(authority: CertificateAuthority) -> AsyncIterator[Listener]:
    async with listening(authority) as listener:
        listener.answer = convert
        yield listener


@pytest.fixture
async def converted(api: Api, listener: Listener) -> Listener:
    """The definition's webhook; one thing is stored as v1."""
    await api.post(CRDS, definition(ONE, TWO, conversion=webhook(listener)))
    await api.post(V1, thing("v1", host="a"))
    return listener
