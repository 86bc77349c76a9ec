"""The transport inside the process keeps what every transport promises."""

import pytest

from pilothouse.client.transport import Transport
from tests.contracts.transport import TransportContract
from tests.engine.apiserver.api import Api


class TestInProcessTransport(TransportContract):
    @pytest.fixture
    def transport(self, api: Api) -> Transport:
        return api.transport
