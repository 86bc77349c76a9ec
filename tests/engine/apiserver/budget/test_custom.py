"""The same budget for custom resources, whose definitions are legal and as hostile as such can be, and for these definitions."""

from collections.abc import Iterator

import pytest

from pilothouse.client.transport import APPLY_PATCH, JSON, MERGE_PATCH, Call
from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.budget import hostile
from tests.engine.apiserver.budget.conftest import CRDS
from tests.engine.apiserver.budget.custom import CUSTOM, Custom, instance, openapi
from tests.engine.apiserver.budget.measure import cost_of
from tests.engine.apiserver.budget.small import definition

PATH = "/apis/example.com/v1/namespaces/default/dears"
EVERYDAY = ("many alternatives", "many defaults", "many rules")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("title", [pytest.param(title, marks=() if title in EVERYDAY else pytest.mark.slow) for title in CUSTOM])
async def test_no_custom_resource_is_dear_or_has_a_long_answer(api: Api, title: str) -> None:
    """The definition is tried before it is created; it must be one that a cluster takes."""
    custom = CUSTOM[title]
    crd = definition("dears", "Dear", openapi(custom.schema))
    tried = await cost_of(api, Call("POST", CRDS, (("dryRun", "All"),), _typed(crd), JSON))
    await api.post(CRDS, crd)
    costs = {"the definition": tried} | {way: await cost_of(api, call) for way, call in _ways(custom)}
    assert {way: str(found) for way, found in costs.items() if not found.is_within} == {}


def _typed(crd: Object) -> bytes:
    return dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"} | crd)


def _ways(custom: Custom) -> Iterator[tuple[str, Call]]:
    for title, make in custom.specs.items():
        body = hostile.typed(instance(make()), "example.com/v1", "Dear")
        yield f"create {title}", Call("POST", PATH, (("fieldValidation", "Strict"),), body, JSON)
        yield f"update {title}", Call("PUT", f"{PATH}/it", (), body.replace(b'"spec"', b'"z":1,"spec"'), JSON)
        yield f"patch {title}", Call("PATCH", f"{PATH}/it", (), body, MERGE_PATCH)
        yield f"apply {title}", Call("PATCH", f"{PATH}/it", (("fieldManager", "m"), ("force", "true")), body, APPLY_PATCH)
        yield f"delete after {title}", Call("DELETE", f"{PATH}/it")
