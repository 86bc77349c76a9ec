"""The same budget for those who are no administrators: what is asked of their rights comes on top of what a body costs."""

import pytest

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.errors import Forbidden
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.budget import hostile
from tests.engine.apiserver.budget.calls import calls
from tests.engine.apiserver.budget.lists import longest
from tests.engine.apiserver.budget.measure import Cost, Judge, cost_of
from tests.engine.apiserver.budget.small import SMALL
from tests.engine.apiserver.https import GROUP, RBAC
from tests.people import node, person

BODIES = {name: make() for name, make in hostile.OBJECTS.items()}
EVERYDAY = {name: BODIES[name] for name in ("many deep parts", "many managers", "finalizers", "owners", "labels", "data")}
TENANT, NODE, STRANGER = person("tenant"), node("it"), person("stranger")
OF_TENANTS = ("configmaps", "pods", "deployments.apps", f"roles.{GROUP}", f"rolebindings.{GROUP}")
OF_NODES = ("nodes", "pods", "leases.coordination.k8s.io", "events", "certificatesigningrequests.certificates.k8s.io")
FOR_ALL = ("selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews")
REFUSAL_S = 0.01


def signed_in(api: Api, user: User) -> Api:
    return Api(api.server, user, InProcessTransport(api.server, user))


async def settled(api: Api) -> Api:
    """With a tenant, who is an administrator of one namespace, and a node with a pod."""
    subject = {"apiGroup": GROUP, "kind": "User", "name": TENANT.name}
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "admin"}
    binding = {"metadata": {"name": "tenant"}, "subjects": [subject], "roleRef": reference}
    await api.post(f"{RBAC}/namespaces/default/rolebindings", binding)
    await api.post("/api/v1/nodes", SMALL["nodes"])
    target = {"metadata": {"name": "it"}, "target": {"kind": "Node", "name": "it"}}
    await api.post("/api/v1/namespaces/default/pods/it/binding", target)
    return api


def served(api: Api, group_resource: str) -> ServedResource:
    return next(row for row in api.server.backend.table if row.group_resource == group_resource)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("resource", OF_TENANTS)
async def test_no_body_of_a_tenant_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    api = await settled(opened)
    row = served(api, resource)
    assert await Judge(signed_in(api, TENANT), api).exceeded(row, calls(row, EVERYDAY)) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("resource", OF_NODES)
async def test_no_body_of_a_node_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    api = await settled(opened)
    row = served(api, resource)
    assert await Judge(signed_in(api, NODE), api).exceeded(row, calls(row, EVERYDAY)) == []


@pytest.mark.timeout(300)
async def test_a_body_costs_nothing_when_its_sender_may_not_send_it(opened: Api) -> None:
    """It is not even parsed."""
    stranger = signed_in(opened, STRANGER)
    body = {"many deep parts": BODIES["many deep parts"]}
    for row in opened.server.backend.table:
        if row.resource.plural not in FOR_ALL:
            for title, call in calls(row, body):
                found = await refused(stranger, call)
                assert max(found.loop_s, found.threads_s) < REFUSAL_S, f"{row.group_resource} {title}: {found}"


async def refused(api: Api, call: Call) -> Cost:
    """What it takes to refuse the call."""
    with pytest.raises(Forbidden):
        await api.transport.call(call)
    costs = [await cost_of(api, call) for _ in range(3)]
    return min(costs, key=lambda each: each.threads_s)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resource", [name for name, kind in BUILT_IN.items() if kind.resource.namespaced])
async def test_no_body_of_a_tenant_for_any_kind_is_dear_or_has_a_long_answer(opened: Api, resource: str) -> None:
    api = await settled(opened)
    row = served(api, resource)
    assert await Judge(signed_in(api, TENANT), api).exceeded(row, calls(row, BODIES)) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("resource", OF_TENANTS[3:])
async def test_no_long_list_of_rules_is_dear_to_be_held_against_rights(opened: Api, resource: str) -> None:
    api = await settled(opened)
    row = served(api, resource)
    schema = row.schema()
    assert await Judge(signed_in(api, TENANT), api).exceeded(row, longest(row, schema)) == []
