"""Mutating webhooks: what they may change, in which order, and what holds for what they have made."""

import asyncio
import base64

import pytest

from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.json import Object, loads
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition, thing
from tests.engine.apiserver.webhooks.configurations import MUTATING, VALIDATING, add, answer, denial, hook, patch, register, rule
from tests.engine.apiserver.webhooks.listener import Listener

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def test_a_webhook_changes_what_is_stored(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/data", {"y": "2"}))
    made = await api.post(CONFIGMAPS, configmap("a"))
    assert made["data"] == {"y": "2"} == (await api.get(f"{CONFIGMAPS}/a"))["data"]


async def test_a_changed_pod_is_defaulted_again(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener, "pods"))
    listener.answer = lambda review: patch(review, add("/spec/initContainers", [{"name": "init", "image": "image"}]))
    made = await api.post(PODS, pod("p"))
    assert made["spec"]["initContainers"][0]["terminationMessagePath"] == "/dev/termination-log"


async def test_a_changed_object_is_validated_like_any(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/metadata/labels", {"-": "x"}))
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, error.reason) == (422, "Invalid")


async def test_a_change_that_makes_no_such_object_is_an_internal_error(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/data", "text"))
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, error.message.startswith("Internal error occurred: ")) == (500, True)
    listener.answer = lambda review: patch(review, add("/a/b/c", 1))
    assert (await api.refused("POST", CONFIGMAPS, configmap("a"))).code == 500
    listener.answer = lambda review: patch(review, {"op": "replace", "path": "/kind", "value": "Secret"})
    assert "Kind=Secret is not v1, Kind=ConfigMap" in (await api.refused("POST", CONFIGMAPS, configmap("a"))).message


async def test_custom_resources_are_changed_and_pruned(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition())
    await register(api, MUTATING, hook(listener, rule("things", group="example.com")))
    listener.answer = lambda review: patch(review, add("/spec", {"size": 3, "unknown": "x"}))
    assert (await api.post(THINGS, thing("a")))["spec"] == {"size": 3}
    listener.answer = lambda review: patch(review, add("/spec", {"size": -1}))
    assert (await api.refused("POST", THINGS, thing("b"))).code == 422


async def test_a_new_object_is_seen_before_the_server_names_it(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/data", {"a": "b"}))
    made = await api.post(CONFIGMAPS, {"metadata": {"generateName": "a-"}})
    request = listener.asked[0]["request"]
    assert "name" not in request
    assert set(request["object"]["metadata"]) == {"generateName", "namespace", "managedFields"}
    assert made["metadata"]["name"].startswith("a-")
    assert made["metadata"]["uid"]


async def test_what_the_server_owns_stays_its_own(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    owned = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z"}
    listener.answer = lambda review: patch(review, *(add(f"/metadata/{name}", value) for name, value in owned.items()))
    metadata = (await api.post(CONFIGMAPS, configmap("a")))["metadata"]
    assert "deletionTimestamp" not in metadata
    assert metadata["uid"] != "mine"
    assert not metadata["creationTimestamp"].startswith("2001")


async def test_a_webhook_cannot_move_an_object(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener, rule("configmaps", "CREATE UPDATE")))
    listener.answer = lambda review: patch(review, add("/metadata/namespace", "other"))
    assert (await api.refused("POST", CONFIGMAPS, configmap("a"))).code == 400
    listener.answer = answer
    await api.post(CONFIGMAPS, configmap("a"))
    listener.answer = lambda review: patch(review, add("/metadata/name", "b"))
    assert (await api.refused("PUT", f"{CONFIGMAPS}/a", configmap("a"))).code == 422


async def test_fields_of_webhooks_are_managed_by_nobody(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/data/y", "2"))
    made = await api.post(CONFIGMAPS, configmap("a", x="1"), fieldManager="me")
    (managed,) = made["metadata"]["managedFields"]
    assert managed["fieldsV1"]["f:data"] == {".": {}, "f:x": {}}


async def test_managers_that_a_webhook_makes_unreadable_are_put_back(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, add("/metadata/managedFields/0/operation", "Nonsense"))
    made = await api.post(CONFIGMAPS, configmap("a", x="1"))
    assert made["metadata"]["managedFields"][0]["operation"] == "Update"


async def test_webhooks_are_called_in_the_order_of_their_configurations(api: Api, listener: Listener) -> None:
    def append(review: Object) -> Object:
        data = review["request"]["object"].get("data") or {}
        return patch(review, add("/data", {**data, f"k{len(data)}": "x"}))

    listener.answer = append
    await register(api, MUTATING, hook(listener) | {"clientConfig": listener.config("/second")}, name="b")
    one, other = hook(listener) | {"clientConfig": listener.config("/first")}, hook(listener, name="b.example.com")
    await register(api, MUTATING, one, other, name="a")
    assert len((await api.post(CONFIGMAPS, configmap("a")))["data"]) == 3
    assert [request.path for request in listener.requests] == ["/first", "/hook", "/second"]


async def test_a_webhook_looks_again_at_what_another_has_changed_since(api: Api, listener: Listener) -> None:
    def label(review: Object) -> Object:
        labels = review["request"]["object"]["metadata"].get("labels") or {}
        mine = "first" if listener.requests[-1].path == "/first" else "second"
        return answer(review) if mine in labels else patch(review, add("/metadata/labels", {**labels, mine: "x"}))

    listener.answer = label
    first = hook(listener, name="first.example.com", reinvocationPolicy="IfNeeded") | {"clientConfig": listener.config("/first")}
    second = hook(listener, name="second.example.com") | {"clientConfig": listener.config("/second")}
    await register(api, MUTATING, first, second)
    await api.post(CONFIGMAPS, configmap("a"))
    assert [request.path for request in listener.requests] == ["/first", "/second", "/first"]
    assert set(listener.asked[2]["request"]["object"]["metadata"]["labels"]) == {"first", "second"}


async def test_a_webhook_whose_change_nobody_has_touched_is_not_called_again(api: Api, listener: Listener) -> None:
    listener.answer = lambda review: patch(review, add("/data", {"a": "b"}))
    await register(api, MUTATING, hook(listener, reinvocationPolicy="IfNeeded"))
    await api.post(CONFIGMAPS, configmap("a"))
    assert len(listener.asked) == 1


async def test_the_servers_own_plugins_look_again_at_what_webhooks_have_made(api: Api, listener: Listener) -> None:
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]}}
    await api.post("/api/v1/namespaces/default/limitranges", limits)
    await register(api, MUTATING, hook(listener, "pods"))
    listener.answer = lambda review: patch(review, add("/spec/containers/-", {"name": "side", "image": "image"}))
    made = await api.post(PODS, pod("p"))
    assert [each["resources"]["requests"] for each in made["spec"]["containers"]] == [{"cpu": "100m"}] * 2
    assert all(each["volumeMounts"] for each in made["spec"]["containers"])


async def test_validating_webhooks_see_what_mutating_ones_have_made(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: denial(review) if listener.asked[1:] else patch(review, add("/data", {"a": "b"}))
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert listener.asked[1]["request"]["object"]["data"] == {"a": "b"}


async def test_a_mutating_webhook_may_deny(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: denial(review, "no", code=403)
    assert (await api.refused("POST", CONFIGMAPS, configmap("a"))).code == 403


async def test_a_failing_webhook_whose_failures_are_ignored_is_skipped(api: Api, listener: Listener) -> None:
    listener.answer = lambda review: patch(review, add("/data", {"a": "b"}))
    broken = hook(listener, name="broken.example.com", failurePolicy="Ignore") | {"clientConfig": listener.service("gone")}
    await register(api, MUTATING, broken, hook(listener))
    assert (await api.post(CONFIGMAPS, configmap("a")))["data"] == {"a": "b"}


async def test_a_deletion_cannot_be_changed(api: Api, listener: Listener) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await register(api, MUTATING, hook(listener, rule("configmaps", "DELETE")))
    listener.answer = lambda review: patch(review, add("/data", {"a": "b"}))
    error = await api.refused("DELETE", f"{CONFIGMAPS}/a")
    assert "attempted to modify the object, which is not supported for this operation" in error.message


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ({"patch": "W10="}, "webhook returned response.patch but not response.patchType"),
        ({"patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        ({"patch": "W10=", "patchType": "MergePatch"}, 'unsupported patch type "MergePatch"'),
        ({"patch": "!", "patchType": "JSONPatch"}, "received undecodable patch in webhook response: "),
        ({"patch": "e30=", "patchType": "JSONPatch"}, "received undecodable patch in webhook response: "),
    ],
)
async def test_what_is_no_patch_is_a_failure_of_the_webhook(api: Api, listener: Listener, response: Object, said: str) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: answer(review, **response)
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, said in error.message) == (500, True), error.message


async def test_a_patch_of_too_many_operations_is_a_failure_of_the_webhook(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener))
    listener.answer = lambda review: patch(review, *[add("/data", {})] * 10_001)
    assert "10000, got 10001" in (await api.refused("POST", CONFIGMAPS, configmap("a"))).message


async def test_a_large_patch_costs_only_its_own_request(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener, "secrets"))
    operations = [add("/metadata/annotations", {}), *(add(f"/metadata/annotations/k{n}", "x" * 20) for n in range(5_000))]
    listener.answer = lambda review: patch(review, *operations)
    large = asyncio.ensure_future(api.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}}))
    async with asyncio.timeout(10):
        await api.post(CONFIGMAPS, configmap("a"))
    assert len((await large)["metadata"]["annotations"]) == 5_000


async def test_a_patch_that_changes_nothing_has_nobody_look_again(api: Api, listener: Listener) -> None:
    listener.answer = lambda review: patch(review, {"op": "test", "path": "/kind", "value": "ConfigMap"})
    again = hook(listener, reinvocationPolicy="IfNeeded")
    await register(api, MUTATING, again, hook(listener, name="b.example.com"))
    await api.post(CONFIGMAPS, configmap("a"))
    assert len(listener.asked) == 2


async def test_a_lost_race_has_webhooks_judge_what_is_stored_by_then(api: Api, listener: Listener) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    await register(api, MUTATING, hook(listener, rule("configmaps", "UPDATE"), objectSelector={"matchLabels": {"slow": "yes"}}))

    async def meanwhile(review: Object) -> Object:
        if len(listener.asked) == 1:
            await api.patch(f"{CONFIGMAPS}/a", {"data": {"other": "1"}})
        return patch(review, add("/metadata/labels/seen", str(len(listener.asked))))

    listener.answer = meanwhile
    made = await api.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"slow": "yes"}}})
    assert (made["data"], made["metadata"]["labels"]["seen"]) == ({"other": "1"}, "2")


async def deployed(api: Api) -> None:
    """The Deployment `d`, of one replica."""
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": pod("p")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.post(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})


SCALES = rule("deployments/scale", "UPDATE", group="apps")


async def test_a_scale_is_seen_and_changed_as_a_scale(api: Api, listener: Listener) -> None:
    await deployed(api)
    await register(api, MUTATING, hook(listener, SCALES))
    listener.answer = lambda review: patch(review, {"op": "replace", "path": "/spec/replicas", "value": 5})
    await api.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 3}})
    request = listener.asked[0]["request"]
    assert (request["kind"], request["subResource"]) == ({"group": "autoscaling", "version": "v1", "kind": "Scale"}, "scale")
    assert (request["oldObject"]["spec"], request["object"]["spec"]) == ({"replicas": 1}, {"replicas": 3})
    assert (await api.get(f"{DEPLOYMENTS}/d"))["spec"]["replicas"] == 5


async def test_a_webhook_looks_again_at_a_scale_that_another_has_changed(api: Api, listener: Listener) -> None:
    await deployed(api)
    again = hook(listener, SCALES, reinvocationPolicy="IfNeeded")
    await register(api, MUTATING, again, hook(listener, SCALES, "b.example.com"))
    change = {"op": "replace", "path": "/spec/replicas", "value": 5}
    listener.answer = lambda review: patch(review, change) if len(listener.asked) == 2 else answer(review)
    await api.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 3}})
    assert [review["request"]["object"]["spec"]["replicas"] for review in listener.asked] == [3, 3, 5]


async def test_a_binding_can_be_sent_elsewhere(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p"))
    await register(api, MUTATING, hook(listener, "pods/binding"))
    listener.answer = lambda review: patch(review, {"op": "replace", "path": "/target/name", "value": "other"})
    await api.post(f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}})
    assert (await api.get(f"{PODS}/p"))["spec"]["nodeName"] == "other"


async def test_events_are_shown_in_the_group_that_is_asked_for(api: Api, listener: Listener) -> None:
    await register(api, MUTATING, hook(listener, rule("events", group="events.k8s.io")))
    listener.answer = lambda review: patch(review, add("/note", "changed"))
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": "default"},
        "reason": "R",
        "message": "said",
        "type": "Normal",
        "source": {"component": "c"},
    }
    made = await api.post("/api/v1/namespaces/default/events", event)
    request = listener.asked[0]["request"]
    assert (request["kind"]["group"], request["requestKind"]["group"]) == ("events.k8s.io", "")
    assert (request["object"]["note"], made["message"]) == ("said", "changed")


@pytest.mark.parametrize("depth", [900, 3_000], ids=["as deep as JSON is read", "deeper"])
async def test_a_change_that_is_nested_too_deeply_costs_its_own_request(api: Api, listener: Listener, depth: int) -> None:
    await register(api, MUTATING, hook(listener, "secrets"))
    deep = '{"a":' * depth + "1" + "}" * depth
    operations = f'[{{"op":"add","path":"/metadata/annotations","value":{deep}}}]'
    encoded = base64.b64encode(operations.encode()).decode()
    listener.answer = lambda review: answer(review, patchType="JSONPatch", patch=encoded)
    error = await api.refused("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
    assert (error.code, "RecursionError" in error.message) == (500, False), error.message
    await api.post(CONFIGMAPS, configmap("a"))


async def test_what_webhooks_have_done_is_noted_for_the_audit_log(api: Api, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: dict[str, str] = {}
    monkeypatch.setattr(ApiRequest, "annotate", lambda request, key, text: noted.update({key: text}))
    broken = hook(listener, name="broken.example.com", failurePolicy="Ignore") | {"clientConfig": listener.service("gone")}
    await register(api, MUTATING, hook(listener), broken)
    await register(api, VALIDATING, broken)
    listener.answer = lambda review: patch(review, add("/data", {"a": "b"}), auditAnnotations={"why": "because"})
    noted.clear()
    await api.post(CONFIGMAPS, configmap("a"))
    prefix = "mutation.webhook.admission.k8s.io/round_0_index_"
    assert noted["a.example.com/why"] == "because"
    assert loads(noted[f"{prefix}0"]) == {"configuration": "it", "webhook": "a.example.com", "mutated": True}
    assert loads(noted[f"{prefix}1"])["mutated"] is False
    assert noted[f"failed-open.{prefix}1"] == "broken.example.com"
    assert noted["failed-open.validating.webhook.admission.k8s.io/round_0_index_0"] == "broken.example.com"
