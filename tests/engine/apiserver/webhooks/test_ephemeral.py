from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod
from tests.engine.apiserver.webhooks.configurations import VALIDATING, denial, hook, register, rule
from tests.engine.apiserver.webhooks.listener import Listener


async def test_a_webhook_sees_an_ephemeral_container_with_the_whole_pod(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p"))
    await register(api, VALIDATING, hook(listener, rule("pods/ephemeralcontainers", "UPDATE")))
    listener.answer = lambda review: denial(review, "no debugging here", code=403)
    added: Object = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "tools"}]}}
    error = await api.refused("PATCH", f"{PODS}/p/ephemeralcontainers", added, STRATEGIC_PATCH)
    assert (error.code, "no debugging here" in error.message) == (403, True)
    (review,) = listener.asked
    request = review["request"]
    assert (request["kind"]["kind"], request["subResource"], request["operation"]) == ("Pod", "ephemeralcontainers", "UPDATE")
    assert [each["name"] for each in request["object"]["spec"]["ephemeralContainers"]] == ["debugger"]
    assert "ephemeralContainers" not in request["oldObject"]["spec"]
    assert "ephemeralContainers" not in (await api.get(f"{PODS}/p"))["spec"]
