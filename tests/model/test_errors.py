import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.errors import ApiError, Cause, Conflict, Expired, Forbidden, Invalid, NotFound, TooManyRequests

REASONS = [*ApiError.by_reason, "SomethingElse", ""]
DETAILS = st.none() | st.fixed_dictionaries({}, optional={"name": st.text(), "kind": st.text(), "retryAfterSeconds": st.integers(0, 9)})


@given(st.text(), DETAILS, st.integers(400, 599), st.sampled_from(REASONS))
def test_a_status_survives_being_an_exception(message: str, details: dict[str, object] | None, code: int, reason: str) -> None:
    status = ApiError(message, details=details, code=code, reason=reason).to_status()
    error = ApiError.from_status(status)
    assert error.to_status() == status
    assert type(error) is ApiError.by_reason.get(reason, ApiError)
    assert str(error) == message


def test_errors_name_the_object_as_upstream_does() -> None:
    assert NotFound.of("deployments", "web", "apps").message == 'deployments.apps "web" not found'
    assert Forbidden.of("pods", "", "no").message == "pods is forbidden: no"
    assert Conflict.of("pods", "a", "it changed").message == 'Operation cannot be fulfilled on pods "a": it changed'


def test_one_cause_stands_alone_and_several_in_brackets() -> None:
    one, two = Cause("spec.a", "FieldValueRequired", "Required value"), Cause("spec.b", "FieldValueInvalid", "Invalid value: 1: no")
    assert Invalid.of("Pod", "p", [one]).message == 'Pod "p" is invalid: spec.a: Required value'
    both = Invalid.of("Pod", "p", [one, two])
    assert both.message == 'Pod "p" is invalid: [spec.a: Required value, spec.b: Invalid value: 1: no]'
    assert both.causes == [one, two]


@pytest.mark.parametrize(("kind", "code"), [(NotFound, 404), (Expired, 410), (Invalid, 422), (TooManyRequests, 429)])
def test_each_reason_has_its_code(kind: type[ApiError], code: int) -> None:
    assert kind("x").to_status()["code"] == code


def test_too_many_requests_says_when_to_come_back() -> None:
    assert TooManyRequests("later", details={"retryAfterSeconds": 3}).retry_after_s == 3
    assert TooManyRequests("later").retry_after_s is None


def test_details_name_what_was_asked_for_in_full_while_messages_are_cut() -> None:
    error = NotFound.of("configmaps", "a" * 5000)
    assert error.details == {"name": "a" * 5000, "kind": "configmaps"}
    assert len(error.message) < 400


def test_the_token_to_go_on_with_survives_being_an_exception() -> None:
    error = Expired("too old")
    error.resume = "token"
    assert error.to_status()["metadata"] == {"continue": "token"}
    assert ApiError.from_status(error.to_status()).resume == "token"
