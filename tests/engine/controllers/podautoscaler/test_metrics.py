"""How the metrics APIs are asked, by the answers of a client that a test plays."""

from typing import Any, cast

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.controllers.podautoscaler.metrics import Metrics
from pilothouse.engine.controllers.podautoscaler.samples import MetricError
from pilothouse.engine.controllers.podautoscaler.targets import Targets

QUEUE = {"name": "queue"}


class Served:
    """answer: to every question for a metric."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Any:
        return {"preferredVersion": {"version": "v1beta1"}} if path.count("/") == 2 else self.answer


def asking(served: Served) -> Metrics:
    client = cast("Client", served)
    return Metrics(client, Targets(client), "default", "app=web")


@pytest.mark.parametrize("items", [["40"], [None], [{"value": "1"}, 40]])
async def test_values_that_are_no_objects_are_a_failure_of_their_metric(items: list[object]) -> None:
    with pytest.raises(MetricError, match="from external metrics API: the answer has items that are no objects"):
        await asking(Served({"items": items})).external(QUEUE)


@pytest.mark.parametrize("answer", [{"items": {}}, {"items": []}, [], "40", None])
async def test_an_answer_without_values_is_a_failure_of_its_metric(answer: object) -> None:
    with pytest.raises(MetricError, match="no metrics returned from custom metrics API"):
        await asking(Served(answer)).of_pods(QUEUE)
