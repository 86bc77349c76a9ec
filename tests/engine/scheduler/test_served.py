"""Only what the API has is asked for."""

from typing import cast

import pytest

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.model.kinds import PODDISRUPTIONBUDGETS, REPLICATIONCONTROLLERS, STATEFULSETS
from pilothouse.model.resource import Resource

OPTIONAL = (PODDISRUPTIONBUDGETS, REPLICATIONCONTROLLERS, STATEFULSETS)


@pytest.mark.parametrize("served", [(), (PODDISRUPTIONBUDGETS,), OPTIONAL])
async def test_budgets_and_some_controllers_are_watched_where_they_are_served(served: tuple[Resource, ...]) -> None:
    client = cast("Client", None)
    informers = Informers(client)
    Scheduler(client, informers, Recorder(None, None, "test"), served=served)
    assert {each.resource for each in informers.all()} & set(OPTIONAL) == set(served)
