"""What is recorded of a request, whichever way it came in and however it ended."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.audit.bodies import ValueBody
from pilothouse.engine.apiserver.audit.event import Event
from pilothouse.engine.apiserver.fairness.turns import Refused
from pilothouse.model.errors import BadRequest
from pilothouse.model.json import Object, loads, raw
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.audit.trail import Trail
from tests.engine.apiserver.https import Https, grant, rule
from tests.engine.apiserver.test_attempts import keep
from tests.engine.apiserver.test_http import ask, connected


@pytest.fixture(params=["over HTTP", "in process"])
def admin(request: pytest.FixtureRequest, api: Api, https: Https) -> Api:
    return https.certified("admin", "system:masters") if request.param == "over HTTP" else api


async def test_an_event_says_who_did_what_to_what_and_what_became_of_it(admin: Api, trail: Trail) -> None:
    made = await admin.post(CONFIGMAPS, configmap("a", x="1"), fieldManager="me")
    event = await trail.last(verb="create")
    assert (event["kind"], event["apiVersion"], event["level"]) == ("Event", "audit.k8s.io/v1", "RequestResponse")
    assert event["requestURI"] == f"{CONFIGMAPS}?fieldManager=me"
    assert event["user"]["username"] == "admin"
    assert event["objectRef"] == {
        **{"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"},
        **{key: made["metadata"][key] for key in ("uid", "resourceVersion")},
    }
    assert event["responseStatus"] == {"metadata": {}, "code": 201}
    assert event["requestObject"]["data"] == {"x": "1"}
    assert (event["responseObject"]["kind"], event["responseObject"]["metadata"]["uid"]) == ("ConfigMap", made["metadata"]["uid"])
    assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert event["requestReceivedTimestamp"] <= event["stageTimestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["stageTimestamp"])


async def test_the_stages_of_a_request_share_an_id(admin: Api, trail: Trail) -> None:
    await admin.get(CONFIGMAPS)
    events = [event for event in await trail.events("") if event["verb"] == "list" and event["user"]["username"] == "admin"]
    assert [event["stage"] for event in events] == ["RequestReceived", "ResponseComplete"]
    assert events[0]["auditID"] == events[1]["auditID"]
    assert events[0]["stageTimestamp"] == events[0]["requestReceivedTimestamp"]


async def test_a_rule_of_rbac_is_named_as_the_reason(api: Api, https: Https, trail: Trail) -> None:
    await grant(api, "ann", rule("list", "configmaps"))
    await https.certified("ann").get(CONFIGMAPS)
    event = await trail.last(verb="list")
    assert event["annotations"] == {
        "authorization.k8s.io/decision": "allow",
        "authorization.k8s.io/reason": (
            'RBAC: allowed by ClusterRoleBinding "ann-has-rights-of-ann" of ClusterRole "rights-of-ann" to User "ann"'
        ),
    }
    assert event["sourceIPs"] == ["127.0.0.1"]
    assert event["user"] == {"username": "ann", "groups": ["system:authenticated"]}


async def test_what_is_forbidden_is_recorded(https: Https, trail: Trail) -> None:
    await https.certified("ann").refused("DELETE", f"{CONFIGMAPS}/a")
    event = await trail.last(verb="delete")
    assert (event["responseStatus"]["code"], event["responseStatus"]["reason"]) == (403, "Forbidden")
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["responseObject"]["kind"] == "Status"


async def test_who_cannot_sign_in_is_recorded_without_a_user(https: Https, trail: Trail) -> None:
    await https.bearing("not-a-token").refused("GET", CONFIGMAPS)
    event = await trail.last("ResponseStarted")
    assert event["user"] == {}
    assert (event["responseStatus"]["code"], event["responseStatus"]["message"]) == (401, "Authentication failed, attempted: bearer")
    assert "not-a-token" not in await trail.text()


async def test_who_acts_in_anothers_name_is_recorded_with_both(kubeconfig: Path, tmp_path: Path, trail: Trail) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        assert (await ask(reader, writer, CONFIGMAPS, "Impersonate-User: ann"))[0] == 403
    event = await trail.last(verb="list")
    assert (event["user"]["username"], event["impersonatedUser"]["username"]) == ("admin", "ann")


@pytest.mark.parametrize(("sent", "is_kept"), [("4711-x.y", True), ("x" * 65, False), ("a b", False), ("a\u00e9", False), ("", False)])
async def test_a_request_has_the_id_that_its_client_gives_it(
    kubeconfig: Path, tmp_path: Path, trail: Trail, sent: str, is_kept: bool
) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        head = (await ask(reader, writer, "/version", f"Audit-ID: {sent}"))[1]
    id = (await trail.last(requestURI="/version"))["auditID"]
    assert f"audit-id: {id}\r\n" in head
    assert (id == sent) is is_kept


@pytest.mark.parametrize("path", [CONFIGMAPS, f"{CONFIGMAPS}?watch=true", f"{CONFIGMAPS}/missing", "/readyz", "/nowhere"])
async def test_every_answer_has_the_id_of_its_request(kubeconfig: Path, tmp_path: Path, trail: Trail, path: str) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        head = (await ask(reader, writer, path))[1]
    assert f"audit-id: {(await trail.last('RequestReceived', requestURI=path))['auditID']}\r\n" in head


async def test_addresses_that_proxies_state_stand_before_the_peers(kubeconfig: Path, tmp_path: Path, trail: Trail) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        await ask(reader, writer, "/version", "X-Forwarded-For: 10.0.0.1, nonsense", "User-Agent: " + "x" * 2000)
    event = await trail.last(requestURI="/version")
    assert event["sourceIPs"] == ["10.0.0.1", "127.0.0.1"]
    assert event["userAgent"] == "x" * 1024 + "...TRUNCATED"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", f"{CONFIGMAPS}/missing", None, 404),
        ("POST", CONFIGMAPS, {"metadata": {"name": "Bad Name"}}, 422),
        ("POST", CONFIGMAPS, {"kind": "Pod", "apiVersion": "v1"}, 400),
        ("PUT", "/version", {}, 405),
        ("GET", "/nowhere", None, 404),
        ("GET", "/apis/no.such.group/v1/things", None, 404),
    ],
)
async def test_what_fails_is_recorded_with_its_code(admin: Api, trail: Trail, method: str, path: str, body: Object, code: int) -> None:
    await admin.refused(method, path, body)
    assert (await trail.last(requestURI=path))["responseStatus"]["code"] == code


async def test_a_body_that_is_too_large_is_recorded_as_refused(kubeconfig: Path, tmp_path: Path, trail: Trail) -> None:
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        code, _ = await ask(reader, writer, CONFIGMAPS, f"Content-Length: {100 << 20}", method="POST")
    assert (code, (await trail.last(requestURI=CONFIGMAPS))["responseStatus"]["code"]) == (413, 413)


async def test_a_request_that_is_not_done_in_its_time_is_recorded(admin: Api, trail: Trail) -> None:
    keep(admin.server.backend.admission, "a").holds_everybody = True
    await admin.refused("POST", CONFIGMAPS, configmap("a"), timeout="50ms")
    assert (await trail.last(verb="create"))["responseStatus"]["code"] == 504


async def test_a_request_that_is_one_too_many_is_recorded(https: Https, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise Refused("queue-full")

    monkeypatch.setattr(trail.server.fairness.turns, "enter", refuse)
    await https.certified("ann").refused("GET", CONFIGMAPS)
    event = await trail.last(verb="list")
    assert (event["responseStatus"]["code"], event["user"]["username"]) == (429, "ann")


async def test_a_fault_of_the_server_is_a_panic(admin: Api, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.server.backend.store, "get", None)
    await admin.refused("GET", f"{CONFIGMAPS}/a")
    assert (await trail.last("Panic"))["responseStatus"]["message"] == "APIServer panic'd: TypeError"


async def test_a_watch_is_recorded_when_it_begins_and_when_it_ends(admin: Api, trail: Trail) -> None:
    async with admin.transport.watch(Call("GET", CONFIGMAPS, (("watch", "true"),))) as events:
        await admin.post(CONFIGMAPS, configmap("a"))
        await anext(events)
        assert [event["stage"] for event in await trail.events("", verb="watch")] == ["RequestReceived", "ResponseStarted"]
    async with asyncio.timeout(5):
        while not await trail.events(verb="watch"):
            await asyncio.sleep(0.01)
    assert (await trail.last(verb="watch"))["responseStatus"] == {"metadata": {}, "code": 200}


async def test_a_deletion_says_what_it_deleted(admin: Api, trail: Trail) -> None:
    made = await admin.post(CONFIGMAPS, configmap("a"))
    await admin.delete(f"{CONFIGMAPS}/a", {"propagationPolicy": "Foreground"})
    event = await trail.last(verb="delete")
    assert event["objectRef"]["uid"] == made["metadata"]["uid"]
    assert event["requestObject"]["propagationPolicy"] == "Foreground"


async def test_an_application_in_yaml_is_recorded_as_json(kubeconfig: Path, tmp_path: Path, api: Api, trail: Trail) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"
    headers = "Content-Type: application/apply-patch+yaml", f"Content-Length: {len(text)}"
    async with connected(kubeconfig, tmp_path) as (reader, writer):
        assert (await ask(reader, writer, f"{CONFIGMAPS}/a?fieldManager=me", *headers, method="PATCH", body=text))[0] == 201
    event = await trail.last(verb="patch")
    assert event["requestObject"]["data"] == {"x": "1"}
    assert event["responseObject"]["metadata"]["managedFields"]


async def test_managed_fields_are_left_out_where_the_policy_says_so(admin: Api, trail: Trail) -> None:
    await trail.use("omitManagedFields: true\nrules: [{level: RequestResponse}]")
    await admin.post(CONFIGMAPS, configmap("a"))
    await admin.get(CONFIGMAPS)
    created, listed = await trail.last(verb="create"), await trail.last(verb="list")
    assert "managedFields" not in created["responseObject"]["metadata"]
    assert all("managedFields" not in item["metadata"] for item in listed["responseObject"]["items"])


@pytest.mark.parametrize(
    ("level", "fields"),
    [("Metadata", set()), ("Request", {"requestObject"}), ("RequestResponse", {"requestObject", "responseObject"})],
)
async def test_a_level_bounds_what_is_shown(admin: Api, trail: Trail, level: str, fields: set[str]) -> None:
    await trail.use(f"rules: [{{level: {level}}}]")
    await admin.post(CONFIGMAPS, configmap("a"))
    event = await trail.last(verb="create")
    assert (event["level"], {"requestObject", "responseObject"} & event.keys()) == (level, fields)


async def test_what_is_meant_for_somebody_behind_a_proxy_is_not_shown(admin: Api, trail: Trail) -> None:
    await trail.use("rules: [{level: RequestResponse}]")
    await admin.refused("POST", "/api/v1/namespaces/default/pods/nosuch/proxy/login", {"password": "secret"})
    event = await trail.last(verb="create")
    assert (event["responseStatus"]["code"], "requestObject" in event) == (404, False)


async def test_level_none_and_omitted_stages_record_nothing(admin: Api, trail: Trail) -> None:
    await trail.use("omitStages: [RequestReceived]\nrules: [{level: None, verbs: [list]}, {level: Metadata}]")
    await admin.get(CONFIGMAPS)
    await admin.post(CONFIGMAPS, configmap("a"))
    assert [(event["verb"], event["stage"]) for event in (await trail.events(""))[-1:]] == [("create", "ResponseComplete")]
    assert not await trail.events("", verb="list", level="Metadata")


async def test_a_body_of_any_size_leaves_a_line_of_bounded_size(admin: Api, trail: Trail) -> None:
    for number in range(2):
        await admin.post(CONFIGMAPS, configmap(f"c{number}", x="x" * 1_000_000))
    await admin.get(CONFIGMAPS)
    event = await trail.last(verb="list")
    assert ("responseObject" in event, event["annotations"]["audit.k8s.io/truncated"]) == (False, "true")


async def test_a_body_that_the_caller_changes_later_is_recorded_as_it_was_sent(api: Api, trail: Trail) -> None:
    body = configmap("a", x="1")
    await api.post(CONFIGMAPS, body)
    body["data"]["x"] = "2"
    assert (await trail.last(verb="create"))["requestObject"]["data"] == {"x": "1"}


async def test_a_create_that_fails_inside_names_what_was_to_be_made(admin: Api, trail: Trail) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    hook = {"name": "gone.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"}, "rules": [rule]}
    hook |= {"sideEffects": "None", "admissionReviewVersions": ["v1"]}
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    await admin.post(hooks, {"metadata": {"name": "gone"}, "webhooks": [hook]})
    await admin.refused("POST", CONFIGMAPS, configmap("lost"))
    event = await trail.last(verb="create", requestURI=CONFIGMAPS)
    assert (event["responseStatus"]["code"], event["objectRef"]["name"]) == (500, "lost")


async def test_a_deprecated_api_is_noted(admin: Api, trail: Trail) -> None:
    await admin.get("/api/v1/namespaces/default/endpoints")
    assert (await trail.last(verb="list"))["annotations"]["k8s.io/deprecated"] == "true"


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize("value", [nested(300), {"x": 1 << 70}, {"x": "\ud800"}], ids=["deep", "large number", "no Unicode"])
def test_a_body_that_cannot_be_shown_does_not_keep_its_event_from_the_log(value: Any) -> None:
    event = loads(Event({"verb": "create"}, 0.0, 0.0, {}, ValueBody(value), ValueBody({"kind": "Status"})).encoded())
    assert (event["verb"], event["annotations"]) == ("create", {"audit.k8s.io/truncated": "true"})
    assert "requestObject" not in event
    assert event["responseObject"] == {"kind": "Status"}


@pytest.mark.parametrize("depth", [150, 400, 900])
async def test_nobody_hides_a_change_behind_a_deeply_nested_body(https: Https, trail: Trail, depth: int) -> None:
    junk = "[" * depth + "]" * depth
    body = raw(f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"junk":{junk}}}'.encode())
    with suppress(BadRequest):
        await https.certified("admin", "system:masters").call("POST", CONFIGMAPS, body)
    event = await trail.last(verb="create", requestURI=CONFIGMAPS)
    assert event["responseStatus"]["code"] == (201 if depth == 150 else 400)


def test_a_text_that_is_no_unicode_does_not_keep_an_event_from_the_log() -> None:
    event = loads(Event({"user": {"username": "a\ud800"}, "verb": "delete"}, 0.0, 0.0, {}).encoded())
    assert (event["user"]["username"], event["verb"]) == ("a?", "delete")


def test_what_a_client_states_counts_as_memory_of_an_event() -> None:
    head: Object = {"requestURI": "/" + "x" * 50_000}
    assert Event(head, 0.0, 0.0, {"why": "y" * 8000}).size > 58_000
