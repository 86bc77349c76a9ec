from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod
from tests.engine.apiserver.webhooks.configurations import VALIDATING, denial, hook, register, rule
from tests.engine.apiserver.webhooks.listener import Listener


async def test_a_webhook_sees_a_resize_with_the_whole_pod(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p", containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]))
    await register(api, VALIDATING, hook(listener, rule("pods/resize", "UPDATE")))
    listener.answer = lambda review: denial(review, "too much", code=403)
    wanted: Object = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}}
    error = await api.refused("PATCH", f"{PODS}/p/resize", wanted, STRATEGIC_PATCH)
    assert (error.code, "too much" in error.message) == (403, True)
    (review,) = listener.asked
    request = review["request"]
    assert (request["kind"]["kind"], request["subResource"], request["operation"]) == ("Pod", "resize", "UPDATE")
    assert [request[each]["spec"]["containers"][0]["resources"] for each in ("object", "oldObject")] == [
        {"requests": {"cpu": "2"}},
        {"requests": {"cpu": "1"}},
    ]
