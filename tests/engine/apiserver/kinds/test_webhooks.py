"""Webhook configurations: what is filled in and what is refused, in upstream's words."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.webhooks.configuration import MUTATING, VALIDATING
from pilothouse.model.json import Object

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def hook(**changes: Any) -> Object:
    stated = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/x"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": [RULE],
    }
    return {key: value for key, value in (stated | changes).items() if value is not None}


def configuration(*hooks: Object) -> Object:
    return {"metadata": {"name": "it"}, "webhooks": list(hooks)}


def problems(*hooks: Object, kind: Kind = MUTATING) -> list[str]:
    obj = configuration(*hooks)
    kind.default(obj)
    return [f"{cause.field.removeprefix('webhooks')}: {cause.message}" for cause in kind.validate(obj)]


def test_what_is_left_out_is_filled_in() -> None:
    obj = configuration(hook(clientConfig={"service": {"name": "s", "namespace": "n"}}))
    MUTATING.default(obj)
    (filled,) = obj["webhooks"]
    assert filled["clientConfig"] == {"service": {"name": "s", "namespace": "n", "port": 443}}
    assert filled["rules"] == [{**RULE, "scope": "*"}]
    assert {name: filled[name] for name in ("failurePolicy", "matchPolicy", "timeoutSeconds", "reinvocationPolicy")} == {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": 10,
        "reinvocationPolicy": "Never",
    }
    assert filled["namespaceSelector"] == filled["objectSelector"] == {}


def test_only_mutating_webhooks_have_a_reinvocation_policy() -> None:
    obj = configuration(hook())
    VALIDATING.default(obj)
    assert "reinvocationPolicy" not in obj["webhooks"][0]


@pytest.mark.parametrize("kind", [MUTATING, VALIDATING], ids=["mutating", "validating"])
def test_a_plain_configuration_is_right(kind: Kind) -> None:
    assert problems(hook(), hook(name="b.example.com"), kind=kind) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "[0].name: Required value"),
        ({"name": "a.b"}, '[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'),
        ({"failurePolicy": "X"}, '[0].failurePolicy: Unsupported value: "X": supported values: "Fail", "Ignore"'),
        ({"matchPolicy": "X"}, '[0].matchPolicy: Unsupported value: "X": supported values: "Equivalent", "Exact"'),
        ({"reinvocationPolicy": "X"}, '[0].reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", "Never"'),
        ({"sideEffects": None}, "[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"sideEffects": "Some"}, '[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"timeoutSeconds": 0}, "[0].timeoutSeconds: Invalid value: 0: the timeout value must be between 1 and 30 seconds"),
        ({"timeoutSeconds": 31}, "[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
        ({"admissionReviewVersions": []}, "[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
        (
            {"admissionReviewVersions": ["v2"]},
            '[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
        ),
        ({"admissionReviewVersions": ["v1", "v1"]}, '[0].admissionReviewVersions[1]: Invalid value: "v1": duplicate version'),
        ({"clientConfig": {}}, "[0].clientConfig: Required value: exactly one of url or service is required"),
        (
            {"clientConfig": {"url": "http://x"}},
            "[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        ),
        (
            {"clientConfig": {"url": "https://me:secret@x"}},
            '[0].clientConfig.url: Invalid value: "me:secret": user information is not permitted in the URL',
        ),
        (
            {"clientConfig": {"url": "https://x/?q=1"}},
            '[0].clientConfig.url: Invalid value: "q=1": query parameters are not permitted in the URL',
        ),
        (
            {"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "a//b", "port": 443}}},
            "[0].clientConfig.service.path: Invalid value: \"a//b\": must start with a '/'",
        ),
        (
            {"clientConfig": {"service": {"name": "s", "port": 443}}},
            "[0].clientConfig.service.namespace: Required value",
        ),
        ({"objectSelector": {"matchLabels": {"-": "x"}}}, '[0].objectSelector.matchLabels: Invalid value: "-": '),
    ],
)
def test_a_wrong_field_is_refused(changes: Object, said: str) -> None:
    assert any(each.startswith(said) for each in problems(hook(**changes))), problems(hook(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operations": []}, ".operations: Required value"),
        (
            {"operations": ["PATCH"]},
            '.operations[0]: Unsupported value: "PATCH": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
        ),
        (
            {"operations": ["*", "CREATE"]},
            '.operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
        ),
        ({"apiGroups": ["*", "a"]}, '.apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other API groups'),
        ({"apiVersions": [""]}, ".apiVersions[0]: Required value"),
        ({"scope": "X"}, '.scope: Unsupported value: "X": supported values: "*", "Cluster", "Namespaced"'),
        ({"resources": []}, ".resources: Required value"),
        ({"resources": ["a/*", "a/b"]}, ".resources[1]: Invalid value: \"a/b\": if 'a/*' is present, must not specify a/b"),
        ({"resources": ["*/b", "a/b"]}, ".resources[1]: Invalid value: \"a/b\": if '*/b' is present, must not specify a/b"),
        ({"resources": ["*/*", "a"]}, '.resources: Invalid value: ["*/*","a"]: if \'*/*\' is present, must not specify other resources'),
        (
            {"resources": ["*", "a"]},
            '.resources: Invalid value: ["*","a"]: if \'*\' is present, must not specify other resources without subresources',
        ),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(changes: Object, said: str) -> None:
    assert f"[0].rules[0]{said}" in problems(hook(rules=[RULE | changes]))


def test_two_webhooks_of_one_name_are_refused() -> None:
    assert problems(hook(), hook()) == ['[1].name: Duplicate value: "a.example.com"']


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"name": "", "expression": "true"}, ".name: Required value"),
        ({"name": "a", "expression": " "}, ".expression: Required value"),
        ({"name": "a", "expression": "1"}, '.expression: Invalid value: "1": must evaluate to bool but got int'),
        ({"name": "a", "expression": "nope"}, '.expression: Invalid value: "nope": compilation failed: ERROR: <input>:1:1: undeclared'),
        (
            {"name": "a", "expression": "request.x == 1"},
            '.expression: Invalid value: "request.x == 1": compilation failed: ERROR: <input>:1:8',
        ),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_refused(condition: Object, said: str) -> None:
    (found,) = problems(hook(matchConditions=[condition]))
    assert found.startswith(f"[0].matchConditions[0]{said}")


def test_conditions_have_names_of_their_own_and_a_number_that_can_be_compiled() -> None:
    always = {"name": "a", "expression": "true"}
    assert problems(hook(matchConditions=[always, always])) == ['[0].matchConditions[1].name: Duplicate value: "a"']
    assert problems(hook(matchConditions=[always] * 65)) == ["[0].matchConditions: Too many: 65: must have at most 64 items"]
    many = [hook(name=f"a{i}.example.com", matchConditions=[{"name": f"a{j}", "expression": "true"} for j in range(60)]) for i in range(5)]
    assert problems(*many) == [": Invalid value: null: must have at most 256 match conditions in all: it has 300"]


def test_a_name_that_upstream_reserves_is_warned_of() -> None:
    assert "reserved" in MUTATING.warnings({"metadata": {"name": "a.static.k8s.io"}})[0]
