"""A budget for every request: no body of 100 KB, for whatever it is sent, holds the event loop for 100 ms or is answered with 1 MB.

Nor is it the server's own fault: no answer says that something went wrong inside.
"""

import pytest

from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.budget import hostile
from tests.engine.apiserver.budget.calls import calls, yaml_calls
from tests.engine.apiserver.budget.lists import longest
from tests.engine.apiserver.budget.measure import Judge

BODIES = {name: make() for name, make in {**hostile.OBJECTS, **hostile.PATCHES}.items()}
YAML = {name: make() for name, make in hostile.YAML.items()}
ORDINARY = ("configmaps", "pods", "opens.example.com", "selfsubjectaccessreviews.authorization.k8s.io")


def served(api: Api, group_resource: str) -> ServedResource:
    return next(row for row in api.server.backend.table if row.group_resource == group_resource)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("resource", ORDINARY)
async def test_no_body_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    row = served(opened, resource)
    assert await Judge(opened, opened).exceeded(row, calls(row, BODIES, strictness=("Strict", "Warn"))) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("resource", ["configmaps", "opens.example.com"])
async def test_no_yaml_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    row = served(opened, resource)
    assert await Judge(opened, opened).exceeded(row, yaml_calls(row, YAML)) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resource", [*BUILT_IN, "opens.example.com"])
async def test_no_body_for_any_kind_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    row = served(opened, resource)
    assert await Judge(opened, opened).exceeded(row, [*calls(row, BODIES), *yaml_calls(row, YAML)]) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resource", BUILT_IN)
async def test_no_long_list_of_any_kind_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    row = served(opened, resource)
    assert await Judge(opened, opened).exceeded(row, longest(row, row.schema())) == []
