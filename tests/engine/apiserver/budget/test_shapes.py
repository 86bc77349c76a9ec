"""The same budget for calls that are dear in other ways than by an object in their body."""

import pytest

from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.budget.measure import cost_of
from tests.engine.apiserver.budget.shapes import SHAPES


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", SHAPES)
async def test_no_call_is_dear_or_has_a_long_answer(opened: Api, shape: str) -> None:
    for number in range(200):
        await opened.post(
            CONFIGMAPS, configmap(f"c{number}", a="b") | {"metadata": {"name": f"c{number}", "labels": {"a": "b", "k1": "1"}}}
        )
    costs = {title: await cost_of(opened, call) for title, call in SHAPES[shape]()}
    assert {title: str(found) for title, found in costs.items() if not found.is_within} == {}
