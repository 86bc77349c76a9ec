"""Webhooks that fail for good: what goes on without them, how they are found, and how the cluster is had back."""

from typing import Any

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.webhooks.configurations import VALIDATING, answer, denial, hook, register
from tests.engine.apiserver.webhooks.listener import Listener
from tests.people import CONTROLLER_MANAGER, SCHEDULER, node

EVERYTHING: Object = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
SYSTEM_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def lease(name: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}}


async def gone(api: Api, listener: Listener, **changes: Any) -> None:
    """A webhook for everything, behind a Service that is not there."""
    await register(api, VALIDATING, hook(listener, EVERYTHING, **changes) | {"clientConfig": listener.service("gone")})


async def failing(api: Api) -> list[str]:
    lines = str(await api.get("/metrics")).splitlines()
    return [line for line in lines if line.startswith("pilothouse_admission_webhook_failing{")]


async def test_nodes_and_leaders_are_not_found_dead(api: Api, server: ApiServer, listener: Listener) -> None:
    await gone(api, listener)
    await Api(server, node("n")).post(NODE_LEASES, lease("n"))
    for leader in (CONTROLLER_MANAGER, SCHEDULER):
        name = leader.name.removeprefix("system:")
        await Api(server, leader).post(SYSTEM_LEASES, lease(name))
    assert listener.asked == []


async def test_a_node_tells_of_itself_what_no_webhook_denies(api: Api, server: ApiServer, listener: Listener) -> None:
    own = Api(server, node("n"))
    await gone(api, listener)
    await own.post("/api/v1/nodes", {"metadata": {"name": "n"}})
    await own.patch("/api/v1/nodes/n/status", {"status": {"nodeInfo": {"kubeletVersion": "v1"}}})
    await api.refused("PATCH", "/api/v1/nodes/n", {"metadata": {"labels": {"a": "b"}}}, "application/merge-patch+json")
    await api.delete(f"{VALIDATING}/it")
    await register(api, VALIDATING, hook(listener, EVERYTHING))
    listener.answer = denial
    await own.refused("PATCH", "/api/v1/nodes/n/status", {"status": {"nodeInfo": {"kubeletVersion": "v2"}}}, "application/merge-patch+json")


async def test_leases_of_others_are_seen_like_everything(api: Api, listener: Listener) -> None:
    await gone(api, listener)
    error = await api.refused("POST", SYSTEM_LEASES, lease("mine"))
    assert 'failed calling webhook "a.example.com"' in error.message


async def test_the_cluster_is_had_back_by_deleting_the_configuration(api: Api, listener: Listener) -> None:
    await gone(api, listener)
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    await api.delete(f"{VALIDATING}/it")
    await api.post(CONFIGMAPS, configmap("a"))


async def test_a_webhook_that_does_not_answer_is_named_until_it_does(api: Api, listener: Listener) -> None:
    await gone(api, listener)
    assert await failing(api) == []
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    labels = 'configuration="it",name="a.example.com",policy="Fail",type="validating"'
    assert await failing(api) == [f"pilothouse_admission_webhook_failing{{{labels}}} 1"]
    listener.answer = answer
    there = [{"op": "replace", "path": "/webhooks/0/clientConfig", "value": listener.config()}]
    await api.patch(f"{VALIDATING}/it", there, "application/json-patch+json")
    await api.post(CONFIGMAPS, configmap("a"))
    assert await failing(api) == []


async def test_a_webhook_that_is_taken_away_is_not_named_any_more(api: Api, listener: Listener) -> None:
    await gone(api, listener, failurePolicy="Ignore")
    await api.post(CONFIGMAPS, configmap("a"))
    assert 'policy="Ignore"' in (await failing(api))[0]
    await api.delete(f"{VALIDATING}/it")
    assert await failing(api) == []


async def test_calls_are_counted_by_upstreams_names(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = answer
    await api.post(CONFIGMAPS, configmap("a"))
    listener.answer = lambda review: denial(review, "no", code=403)
    await api.refused("POST", CONFIGMAPS, configmap("b"))
    text = str(await api.get("/metrics"))
    who = 'name="a.example.com",operation="CREATE"'
    for line in (
        f'apiserver_admission_webhook_request_total{{code="200",{who},rejected="false",type="validating"}} 1',
        f'apiserver_admission_webhook_request_total{{code="403",{who},rejected="true",type="validating"}} 1',
        f'apiserver_admission_webhook_rejection_count{{error_type="no_error",{who},rejection_code="403",type="validating"}} 1',
        f'apiserver_admission_webhook_admission_duration_seconds_count{{{who},rejected="true",type="validating"}} 1',
    ):
        assert line in text


async def test_a_bundle_without_certificates_is_told_as_what_it_is(api: Api, listener: Listener) -> None:
    config = listener.config() | {"caBundle": "bm9uZQ=="}
    await register(api, VALIDATING, hook(listener) | {"clientConfig": config})
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    said = "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
    assert error.message == f'Internal error occurred: failed calling webhook "a.example.com": {said}'
