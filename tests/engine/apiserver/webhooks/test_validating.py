"""Validating webhooks: which writes they see, what they are told, and what their answers do."""

import asyncio
from itertools import count
from types import SimpleNamespace

import pytest

from pilothouse.engine.apiserver.admission.webhooks import conditions as conditions_module
from pilothouse.engine.store.store import Store
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object, dumps
from pilothouse.wire.pki import CertificateAuthority
from tests.engine.apiserver.api import CONFIGMAPS, PODS, Api, configmap, pod
from tests.engine.apiserver.https import grant
from tests.engine.apiserver.https import rule as right
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition, thing
from tests.engine.apiserver.webhooks.configurations import MUTATING, VALIDATING, answer, denial, hook, register, rule
from tests.engine.apiserver.webhooks.listener import Listener, expose, listening

NAMESPACES = "/api/v1/namespaces"


async def test_a_webhook_is_told_all_about_a_write(api: Api, listener: Listener) -> None:
    await grant(api, "ada", right("create", "configmaps"))
    await register(api, VALIDATING, hook(listener))
    listener.answer = answer
    made = await api.as_user("ada", "devs").post(CONFIGMAPS, configmap("a", x="1"), fieldManager="me")
    (review,) = listener.asked
    request = review["request"]
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    kind, resource = {"group": "", "version": "v1", "kind": "ConfigMap"}, {"group": "", "version": "v1", "resource": "configmaps"}
    assert {name: request[name] for name in ("kind", "requestKind", "resource", "requestResource")} == {
        "kind": kind,
        "requestKind": kind,
        "resource": resource,
        "requestResource": resource,
    }
    assert (request["name"], request["namespace"], request["operation"], request["dryRun"]) == ("a", "default", "CREATE", False)
    assert request["userInfo"] == {"username": "ada", "groups": ["devs", "system:authenticated"]}
    assert request["object"] == made | {"metadata": {k: v for k, v in made["metadata"].items() if k != "resourceVersion"}}
    assert request["oldObject"] is None
    assert request["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}


async def test_a_denial_is_told_to_the_client(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: denial(review, "the name is taken", code=403, reason="Forbidden")
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, error.reason) == (403, "Forbidden")
    assert error.message == 'admission webhook "a.example.com" denied the request: the name is taken'
    assert await api.names(CONFIGMAPS) == []


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ({}, 400, "without explanation"),
        ({"reason": "Because"}, 400, ": Because"),
        ({"message": "no", "code": 200}, 400, ": no"),
        ({"message": "no", "code": 422}, 422, ": no"),
    ],
)
async def test_a_denial_is_an_error_whatever_its_status_says(api: Api, listener: Listener, status: Object, code: int, said: str) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: answer(review, allowed=False, status=status)
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert error.code == code
    assert error.message.removeprefix('admission webhook "a.example.com" denied the request').strip() == said.strip()


@pytest.mark.parametrize(
    "details",
    [{"causes": [{"message": "x" * 1000}] * 3000}, {"a": [[[]]] * 30_000}],
    ids=["long", "many"],
)
async def test_an_endless_explanation_is_not_passed_on(api: Api, listener: Listener, details: Object) -> None:
    await register(api, VALIDATING, hook(listener))
    status = {"message": "no " * 1_000_000, "reason": "R" * 100_000, "details": details}
    listener.answer = lambda review: answer(review, allowed=False, status=status, warnings=["w" * 1000] * 1000)
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert len(dumps(error.to_status())) < 20_000


async def test_updates_and_deletes_show_what_was_there(api: Api, listener: Listener) -> None:
    await api.post(CONFIGMAPS, configmap("a", x="1"))
    await register(api, VALIDATING, hook(listener, rule("configmaps", "UPDATE DELETE")))
    listener.answer = answer
    await api.patch(f"{CONFIGMAPS}/a", {"data": {"x": "2"}})
    await api.delete(f"{CONFIGMAPS}/a", gracePeriodSeconds="0")
    update, delete = (review["request"] for review in listener.asked)
    assert (update["object"]["data"], update["oldObject"]["data"], update["options"]["kind"]) == ({"x": "2"}, {"x": "1"}, "UpdateOptions")
    assert (delete["object"], delete["oldObject"]["data"]) == (None, {"x": "2"})
    assert delete["options"] == {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0}


async def test_each_object_of_a_collection_may_be_kept_from_deletion(api: Api, listener: Listener) -> None:
    for name in ("a", "b", "kept"):
        await api.post(CONFIGMAPS, configmap(name))
    await register(api, VALIDATING, hook(listener, rule("configmaps", "DELETE")))
    listener.answer = lambda review: answer(review, allowed=review["request"]["oldObject"]["metadata"]["name"] != "kept")
    await api.refused("DELETE", CONFIGMAPS)
    assert await api.names(CONFIGMAPS) == ["kept"]


async def test_pods_custom_resources_and_definitions_can_be_denied(api: Api, listener: Listener) -> None:
    await api.post(CRDS, definition())
    rules = [rule("pods"), rule("things", group="example.com"), rule("customresourcedefinitions", group="apiextensions.k8s.io")]
    await register(api, VALIDATING, hook(listener) | {"rules": rules})
    listener.answer = denial
    other = definition()
    other["metadata"]["name"], other["spec"]["group"] = "things.other.com", "other.com"
    for path, body in ((PODS, pod("p")), (THINGS, thing("t")), (CRDS, other)):
        assert "denied the request" in (await api.refused("POST", path, body)).message
    assert [review["request"]["kind"]["kind"] for review in listener.asked] == ["Pod", "Thing", "CustomResourceDefinition"]


async def test_opening_a_session_can_be_denied(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p"))
    await register(api, VALIDATING, hook(listener, rule("pods/attach pods/exec", "CONNECT")))
    listener.answer = lambda review: denial(review, "no sessions")
    error = await api.refused("GET", f"{PODS}/p/exec", command="sh", stdout="1", container="main")
    assert error.message.endswith("denied the request: no sessions")
    request = listener.asked[0]["request"]
    assert (request["operation"], request["subResource"], request["name"]) == ("CONNECT", "exec", "p")
    assert request["object"] == {"apiVersion": "v1", "kind": "PodExecOptions", "stdout": True, "container": "main", "command": ["sh"]}
    assert request["kind"]["kind"] == "PodExecOptions"


async def test_subresources_are_named_by_rules_of_their_own(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p"))
    await register(api, VALIDATING, hook(listener, rule("pods/status", "*")))
    listener.answer = answer
    await api.patch(f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}})
    await api.patch(f"{PODS}/p/status", {"status": {"message": "x"}})
    assert [review["request"]["subResource"] for review in listener.asked] == ["status"]


async def test_a_binding_and_an_eviction_are_seen_as_what_is_posted(api: Api, listener: Listener) -> None:
    await api.post(PODS, pod("p"))
    await register(api, VALIDATING, hook(listener, rule("pods/binding pods/eviction pods", "*")))
    listener.answer = answer
    await api.post(f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}})
    await api.post(f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
    seen = [(r["request"]["operation"], r["request"]["kind"]["kind"], r["request"]["kind"]["group"]) for r in listener.asked]
    assert seen == [("CREATE", "Binding", ""), ("CREATE", "Eviction", "policy")]


async def test_scopes_tell_objects_of_namespaces_from_those_of_the_cluster(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener, rule("*", scope="Cluster")))
    listener.answer = answer
    await api.post(CONFIGMAPS, configmap("a"))
    await api.post(NAMESPACES, {"metadata": {"name": "shop"}})
    assert [review["request"]["kind"]["kind"] for review in listener.asked] == ["Namespace"]
    assert listener.asked[0]["request"]["namespace"] == "shop"


async def test_selectors_choose_namespaces_and_objects(api: Api, listener: Listener) -> None:
    await api.post(NAMESPACES, {"metadata": {"name": "shop", "labels": {"watched": "yes"}}})
    chosen: Object = {
        "namespaceSelector": {"matchLabels": {"watched": "yes"}},
        "objectSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]},
    }
    await register(api, VALIDATING, hook(listener, rule("configmaps", "CREATE UPDATE"), **chosen))
    listener.answer = answer
    labelled = configmap("a") | {"metadata": {"name": "a", "labels": {"x": "y"}}}
    shop = "/api/v1/namespaces/shop/configmaps"
    await api.post(CONFIGMAPS, labelled)
    await api.post(shop, configmap("plain"))
    await api.post(shop, labelled)
    await api.patch(f"{shop}/a", {"metadata": {"labels": None}})
    assert [(r["request"]["namespace"], r["request"]["operation"]) for r in listener.asked] == [("shop", "CREATE"), ("shop", "UPDATE")]


async def test_another_version_of_a_resource_is_matched_and_shown_in_the_version_that_is_asked_for(api: Api, listener: Listener) -> None:
    made = definition()
    second = {**made["spec"]["versions"][0], "name": "v2", "storage": False}
    made["spec"]["versions"].append(second)
    await api.post(CRDS, made)
    only_v1 = rule("things", group="example.com")
    exact = hook(listener, only_v1, "exact.example.com", matchPolicy="Exact")
    await register(api, VALIDATING, hook(listener, only_v1), exact)
    listener.answer = answer
    await api.post("/apis/example.com/v2/namespaces/default/things", thing("a") | {"apiVersion": "example.com/v2"})
    (review,) = listener.asked
    request = review["request"]
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1", "v2")
    assert (request["resource"]["version"], request["requestResource"]["version"]) == ("v1", "v2")
    assert request["object"]["apiVersion"] == "example.com/v1"


async def test_conditions_decide_who_is_seen(api: Api, listener: Listener) -> None:
    conditions = [
        {"name": "not-leases", "expression": "!(request.resource.group == 'coordination.k8s.io')"},
        {"name": "not-skipped", "expression": "!has(object.metadata.labels) || !('skip' in object.metadata.labels)"},
        {"name": "may-not", "expression": "!authorizer.group('').resource('nodes').check('delete').allowed()"},
    ]
    await grant(api, "ada", right("create", "configmaps"))
    await register(api, VALIDATING, hook(listener, matchConditions=conditions))
    listener.answer = answer
    ada = api.as_user("ada")
    await ada.post(CONFIGMAPS, configmap("seen"))
    await ada.post(CONFIGMAPS, configmap("skipped") | {"metadata": {"name": "skipped", "labels": {"skip": ""}}})
    await api.post(CONFIGMAPS, configmap("by-an-administrator"))
    assert [review["request"]["name"] for review in listener.asked] == ["seen"]


async def test_a_condition_without_an_answer_is_a_failure_of_the_webhook(api: Api, listener: Listener) -> None:
    conditions = [{"name": "broken", "expression": "object.data.missing == 'x'"}]
    await register(api, VALIDATING, hook(listener, matchConditions=conditions, failurePolicy="Ignore"))
    await api.post(CONFIGMAPS, configmap("passes", a="b"))
    await register(api, VALIDATING, hook(listener, matchConditions=conditions), name="strict")
    error = await api.refused("POST", CONFIGMAPS, configmap("refused", a="b"))
    assert (error.code, "resulted in error: no such key: missing" in error.message) == (403, True)
    assert listener.asked == []


@pytest.fixture
def slow_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's time moves on by a hundredth of a second whenever it is looked at: three times for one condition."""
    ticks = count()
    monkeypatch.setattr(conditions_module, "time", SimpleNamespace(thread_time=lambda: next(ticks) / 100))


def conditional(listener: Listener, count: int, operations: str) -> list[Object]:
    always = [{"name": "always", "expression": "has(request.name)"}]
    return [hook(listener, rule("configmaps", operations), f"a{number}.example.com", matchConditions=always) for number in range(count)]


@pytest.mark.usefixtures("slow_conditions")
async def test_all_webhooks_of_a_request_share_the_budget_of_their_conditions(api: Api, listener: Listener) -> None:
    listener.answer = answer
    await register(api, VALIDATING, *conditional(listener, 8, "CREATE"))
    await api.post(CONFIGMAPS, configmap("within"))
    await register(api, MUTATING, *conditional(listener, 8, "CREATE"))
    error = await api.refused("POST", CONFIGMAPS, configmap("beyond"))
    said = "validation failed due to running out of cost budget, no further validation rules will be run: always"
    assert (error.code, said in error.message) == (403, True)


@pytest.mark.usefixtures("slow_conditions")
async def test_each_object_of_a_collection_has_a_budget_of_its_own(api: Api, listener: Listener) -> None:
    listener.answer = answer
    for number in range(20):
        await api.post(CONFIGMAPS, configmap(f"c-{number}"))
    await register(api, VALIDATING, *conditional(listener, 1, "DELETE"))
    await api.delete(CONFIGMAPS)
    assert await api.names(CONFIGMAPS) == []


async def test_warnings_reach_the_client(api: Api, listener: Listener, warned: list[str]) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: answer(review, warnings=["mind the gap"])
    await api.post(CONFIGMAPS, configmap("a"))
    assert warned == ["mind the gap"]


async def test_a_failing_webhook_is_named_and_the_write_refused(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener) | {"clientConfig": listener.service("gone")})
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    url = "https://gone.default.svc:443/hook?timeout=10s"
    why = f'failed calling webhook "a.example.com": failed to call webhook: Post "{url}": service "gone" not found'
    assert (error.code, error.reason, error.message) == (500, "InternalError", f"Internal error occurred: {why}")


async def test_a_failing_webhook_whose_failures_are_ignored_lets_writes_pass(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener, failurePolicy="Ignore") | {"clientConfig": listener.service("gone")})
    await api.post(CONFIGMAPS, configmap("a"))


async def test_a_webhook_may_take_its_time_and_no_longer(api: Api, listener: Listener) -> None:
    never = asyncio.Event()
    listener.answer = lambda review: never.wait()
    await register(api, VALIDATING, hook(listener, timeoutSeconds=1))
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, error.message.endswith('hook?timeout=1s": context deadline exceeded')) == (500, True)


async def test_a_request_of_less_time_than_its_webhook_ends_in_its_own(api: Api, listener: Listener) -> None:
    never = asyncio.Event()
    listener.answer = lambda review: never.wait()
    await register(api, VALIDATING, hook(listener, timeoutSeconds=30))
    with pytest.raises(ApiError) as caught:
        await api.post(CONFIGMAPS, configmap("a"), timeout="300ms")
    assert caught.value.code in (500, 504)


async def test_validating_webhooks_are_called_at_once(api: Api, listener: Listener) -> None:
    both = asyncio.Barrier(2)

    async def wait(review: Object) -> Object:
        await both.wait()
        return answer(review)

    listener.answer = wait
    await register(api, VALIDATING, hook(listener), hook(listener, name="b.example.com"))
    await api.post(CONFIGMAPS, configmap("a"))


async def test_a_configuration_counts_from_the_next_request_on(api: Api, listener: Listener) -> None:
    listener.answer = denial
    await register(api, VALIDATING, hook(listener))
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    await api.patch(
        f"{VALIDATING}/it",
        [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["UPDATE"]}],
        "application/json-patch+json",
    )
    await api.post(CONFIGMAPS, configmap("a"))
    await api.refused("PATCH", f"{CONFIGMAPS}/a", {"data": {"x": "1"}}, "application/merge-patch+json")
    await api.delete(f"{VALIDATING}/it")
    await api.patch(f"{CONFIGMAPS}/a", {"data": {"x": "1"}})
    await register(api, VALIDATING, hook(listener))
    await api.refused("POST", CONFIGMAPS, configmap("b"))


async def test_configurations_can_be_listed_and_deleted_together(api: Api, listener: Listener) -> None:
    for path in (MUTATING, VALIDATING):
        for name in ("a", "b"):
            await register(api, path, hook(listener), name=name)
        assert await api.names(path, labelSelector="made-by=test") == ["a", "b"]
        await api.delete(path, labelSelector="made-by=test")
        assert await api.names(path) == []
    listener.answer = denial
    await api.post(CONFIGMAPS, configmap("a"))


async def test_no_webhook_is_asked_about_webhooks(api: Api, listener: Listener) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    listener.answer = denial
    await register(api, MUTATING, hook(listener, everything))
    await register(api, VALIDATING, hook(listener, everything))
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    for path in (MUTATING, VALIDATING):
        await api.patch(f"{path}/it", {"metadata": {"labels": {"x": "y"}}})
        await api.delete(f"{path}/it")
    await api.post(CONFIGMAPS, configmap("a"))


async def test_a_dry_run_is_told_of_and_never_shown_to_who_would_act_on_it(api: Api, listener: Listener, store: Store) -> None:
    listener.answer = answer
    await register(api, VALIDATING, hook(listener))
    await api.post(CONFIGMAPS, configmap("a"), dryRun="All")
    assert listener.asked[0]["request"]["dryRun"] is True
    record = store.latest("/validatingwebhookconfigurations.admissionregistration.k8s.io//it")
    assert record is not None
    acting = record.value | {"webhooks": [{**record.value["webhooks"][0], "sideEffects": "Some"}]}
    await store.update(record.key, acting, expected=record.revision)
    error = await api.refused("POST", CONFIGMAPS, configmap("a"), dryRun="All")
    assert (error.code, error.message) == (400, 'admission webhook "a.example.com" does not support dry run')


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"response": None}, "webhook response was absent"),
        ({"kind": None, "apiVersion": None}, "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="),
        ({"response": {"uid": "other", "allowed": True}}, 'got "other"'),
        ({"response": {"allowed": "yes"}}, "response.allowed is of the wrong type"),
    ],
)
async def test_what_is_no_answer_is_a_failure(api: Api, listener: Listener, changes: Object, said: str) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: answer(review) | changes
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (error.code, said in error.message) == (500, True), error.message
    assert 'failed calling webhook "a.example.com": received invalid webhook response: ' in error.message


async def test_a_validating_webhook_may_not_change_anything(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener))
    listener.answer = lambda review: answer(review, patchType="JSONPatch", patch="W10=")
    error = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert "validating webhook may not return response.patch" in error.message


async def test_a_webhook_that_knows_only_the_older_review_is_sent_that(api: Api, listener: Listener) -> None:
    await register(api, VALIDATING, hook(listener, admissionReviewVersions=["v1beta1"]))
    listener.answer = lambda review: {"response": {"allowed": review["apiVersion"] == "admission.k8s.io/v1beta1"}}
    await api.post(CONFIGMAPS, configmap("a"))


async def test_a_webhook_behind_a_service_is_called(api: Api, listener: Listener, store: Store) -> None:
    await expose(store, "hook", listener.port)
    await register(api, VALIDATING, hook(listener) | {"clientConfig": listener.service("hook", "/judge")})
    listener.answer = answer
    await api.post(CONFIGMAPS, configmap("a"))
    assert listener.requests[0].path == "/judge"


async def test_a_slow_webhook_holds_up_nobody_whom_it_does_not_see(api: Api, listener: Listener, authority: CertificateAuthority) -> None:
    async with listening(authority) as slow:
        released = asyncio.Event()

        async def wait(review: Object) -> Object:
            await released.wait()
            return answer(review)

        slow.answer, listener.answer = wait, answer
        await register(api, VALIDATING, hook(slow, "secrets", "slow.example.com"), hook(listener))
        held = [asyncio.ensure_future(api.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": f"s{n}"}})) for n in range(20)]
        async with asyncio.timeout(5):
            await api.post(CONFIGMAPS, configmap("a"))
        released.set()
        await asyncio.gather(*held)
