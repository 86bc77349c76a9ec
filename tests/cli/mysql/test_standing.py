"""What an instance lacks of what was asked for."""

from collections.abc import Callable

import pytest

from pilothouse.cli.mysql import standing
from pilothouse.model.json import Object


@pytest.mark.parametrize("lacks", [standing.untuned, standing.unrotated])
def test_nobody_waits_for_what_a_suspended_instance_takes_when_it_goes_on(lacks: Callable[[Object], str]) -> None:
    spec = {"suspended": True, "replicas": 1, "parameters": {"max_connections": "300"}, "rotatedAt": "2026-11-30T12:00:00Z"}
    said = {"observedGeneration": 5, "phase": "Suspended", "tunedGeneration": 4}
    instance: Object = {"metadata": {"name": "orders", "generation": 5}, "spec": spec, "status": said}
    assert lacks(instance) == ""
    assert lacks(instance | {"spec": spec | {"suspended": False}})
