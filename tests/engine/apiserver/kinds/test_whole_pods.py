"""Resources of a pod as a whole, for those who count them."""

import pytest

from pilothouse.engine.apiserver.kinds.pods import qos_class
from pilothouse.engine.apiserver.quota.usage import needed
from pilothouse.engine.scheduler.demand import demand_of
from pilothouse.model.json import Object


def spec(own: Object, whole: Object) -> Object:
    return {"containers": [{"name": "c", "image": "i", "resources": own}], "resources": whole}


SMALL: Object = {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "1Gi"}
LARGE: Object = {"cpu": "2", "memory": "1Gi"}


def test_what_a_pod_requests_as_a_whole_is_what_it_is_placed_by() -> None:
    found = demand_of({"spec": spec({"requests": SMALL}, {"requests": LARGE}) | {"overhead": {"cpu": "50m"}}})
    assert found.resources == {"cpu": 2050, "memory": 1024**3, "ephemeral-storage": 1024**3, "pods": 1}


def test_what_a_pod_states_as_a_whole_is_what_quotas_count() -> None:
    whole = spec({"requests": SMALL, "limits": SMALL}, {"requests": {"cpu": "1"}, "limits": LARGE})
    assert {name: str(value) for name, value in needed(whole, "requests").items()} == SMALL | {"cpu": "1"}
    assert {name: str(value) for name, value in needed(whole, "limits").items()} == SMALL | LARGE


@pytest.mark.parametrize(
    ("own", "whole", "quality"),
    [
        ({}, {"requests": LARGE, "limits": LARGE}, "Guaranteed"),
        ({}, {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": LARGE}, "Burstable"),
        ({"requests": LARGE, "limits": LARGE}, {"limits": {"cpu": "4"}}, "Burstable"),
        ({"requests": LARGE, "limits": LARGE}, {}, "Guaranteed"),
        ({}, {}, "BestEffort"),
    ],
)
def test_the_quality_of_service_is_that_of_the_whole(own: Object, whole: Object, quality: str) -> None:
    assert qos_class(spec(own, whole)) == quality
