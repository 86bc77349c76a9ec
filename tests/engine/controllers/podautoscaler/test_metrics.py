"""How the metrics APIs are asked, by the answers of a client that a test plays."""

import asyncio
from typing import Any, cast

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.controllers.podautoscaler.metrics import ASK_S, Metrics
from pilothouse.engine.controllers.podautoscaler.samples import MetricError
from pilothouse.engine.controllers.podautoscaler.targets import Targets
from tests.simulation.virtual import virtually

QUEUE = {"name": "queue"}


class Served:
    """answer: to every question for a metric, after `after_s` seconds. asked: how many there were."""

    def __init__(self, answer: Any, after_s: float = 0.0) -> None:
        self.answer = answer
        self.after_s = after_s
        self.asked = 0

    async def call(self, method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> Any:
        if path.count("/") > 2:
            self.asked += 1
            await asyncio.sleep(self.after_s)
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


def test_all_questions_of_a_round_have_one_time() -> None:
    async def played() -> None:
        served = Served({"items": [{"value": "1"}]}, ASK_S * 0.6)
        metrics = asking(served)
        assert await asyncio.gather(*(metrics.external(QUEUE) for _ in range(3))) == [1000] * 3
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            with pytest.raises(MetricError, match="context deadline exceeded"):
                await metrics.external(QUEUE)
        assert asyncio.get_running_loop().time() - began == pytest.approx(ASK_S * 0.4, abs=0.1)
        assert served.asked == 4, "nothing is sent once the time is over"

    virtually(played)
