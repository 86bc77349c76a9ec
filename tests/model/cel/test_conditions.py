"""Conditions about requests: what they see, whom they may ask, and what is refused when they are stored."""

from typing import Any

import pytest

from pilothouse.model.cel import Admitted, Decision, EvaluationFailed, Question, RuleProblem, compile_condition
from pilothouse.model.json import Object

REQUEST: Object = {
    "operation": "UPDATE",
    "name": "web",
    "namespace": "shop",
    "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
    "subResource": "scale",
    "userInfo": {"username": "ann", "groups": ["devs"], "extra": {"scopes": ["a"]}},
    "dryRun": False,
}


class FakeAuthorizer:
    """Allows what it is told to allow, and remembers what it was asked."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.questions: list[Question] = []

    def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        return Decision(question.verb in self.allowed, "because")


def holds(text: str, obj: Any = None, old: Any = None, authorizer: FakeAuthorizer | None = None) -> bool:
    return compile_condition(text).holds(Admitted(obj, old, REQUEST, authorizer or FakeAuthorizer()))


@pytest.mark.parametrize(
    "text",
    [
        "object.metadata.labels['a'] == 'b' && oldObject == null",
        "request.operation == 'UPDATE' && request.resource.group == 'apps' && 'devs' in request.userInfo.groups",
        "request.userInfo.extra['scopes'][0] == 'a' && !request.dryRun",
        "!has(object.spec) || object.spec.replicas > 1",
    ],
)
def test_a_condition_sees_object_and_request(text: str) -> None:
    assert holds(text, {"metadata": {"labels": {"a": "b"}}})


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (
            "authorizer.group('apps').resource('deployments').subresource('status').namespace('x').name('y').check('get').allowed()",
            Question("get", None, "", "apps", "deployments", "status", "x", "y"),
        ),
        ("authorizer.path('/healthz').check('get').reason() == 'because'", Question("get", path="/healthz")),
        (
            "authorizer.serviceAccount('n', 'a').group('').resource('p').labelSelector('a=b').fieldSelector('c=d').check('get').allowed()",
            Question("get", ("n", "a"), resource="p", field_selector="c=d", label_selector="a=b"),
        ),
        (
            "authorizer.requestResource.check('get').allowed() && !authorizer.requestResource.check('get').errored()",
            Question("get", None, "", "apps", "deployments", "scale", "shop", "web"),
        ),
    ],
)
def test_a_condition_may_ask_the_authorizer(text: str, asked: Question) -> None:
    authorizer = FakeAuthorizer("get")
    assert holds(text, authorizer=authorizer)
    assert authorizer.questions[0] == asked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("request.nope == 'x'", "undefined field 'nope'"),
        ("request.dryRun == 'x'", r"applied to '\(bool, string\)'"),
        ("self == 1", "undeclared reference to 'self'"),
        ("authorizer.check('get').allowed()", "found no matching overload for 'check'"),
        ("request.name", "must evaluate to bool but got string"),
        ("object.spec", "must evaluate to bool"),
        ("object.", "Syntax error"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(RuleProblem, match=why):
        compile_condition(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("object.spec.replicas > 1", "no such key: spec"),
        ("authorizer.path(' ').check('get').allowed()", "path must not be empty"),
        ("authorizer.serviceAccount('a_b', 'c').path('/x').check('get').allowed()", "Invalid service account namespace"),
    ],
)
def test_a_condition_without_an_answer_fails_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(EvaluationFailed, match=why):
        holds(text, {})
