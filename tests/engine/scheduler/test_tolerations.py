from typing import Any

import pytest

from pilothouse.engine.controllers.node.plan import tolerated_s
from pilothouse.engine.scheduler.snapshot.shape import Shapes
from pilothouse.model.taints import tolerates

TAINT = {"key": "gpu", "value": "yes", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Equal", "value": "yes"}, True),
        ({}, False),
    ],
)
def test_scheduler_and_eviction_agree_on_what_is_tolerated(toleration: Any, expected: bool) -> None:
    pod: Any = {"spec": {"tolerations": [toleration]}}
    assert tolerates(toleration, TAINT) is expected
    needs = Shapes().of(pod | {"metadata": {"name": "p", "namespace": "ns"}}).needs
    assert needs.tolerates(TAINT) is expected
    assert (tolerated_s(pod, TAINT) is None) is expected
