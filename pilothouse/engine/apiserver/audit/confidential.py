"""What never reaches the log, whatever the policy says: bodies that hold secrets, and messages that may quote them."""

from typing import Any

from pilothouse.engine.apiserver.request.routing import Target
from pilothouse.model.json import Object

_RESOURCES = {("", "secrets", ""), ("", "serviceaccounts", "token"), ("authentication.k8s.io", "tokenreviews", "")}
_KINDS = ("Secret", "SecretList", "TokenRequest", "TokenReview")
_CONTENTS = frozenset(("data", "stringData", "items", "spec", "status"))
_HARMLESS = frozenset(("NotFound", "AlreadyExists", "Conflict", "Unauthorized", "TooManyRequests", "Timeout", "Expired"))
"""Reasons whose messages name the object and quote nothing of it."""
_WITHHELD = "the message is left out: it may quote a secret"


def is_confidential(target: Target) -> bool:
    """Whether bodies of requests for this, and of their answers, hold secrets."""
    subresource = target.subresource if target.resource == "serviceaccounts" else ""
    return (target.group, target.resource, subresource) in _RESOURCES


def holds_secret(body: Any) -> bool:
    """Whether something of a kind that holds secrets is anywhere in a body, though that was sent to where another kind is expected.

    What only names a Secret, as references do, holds nothing of it.
    """
    found = [body]
    while found:
        each = found.pop()
        if isinstance(each, list):
            found += each
        elif isinstance(each, dict):
            if each.get("kind") in _KINDS and not each.keys().isdisjoint(_CONTENTS):
                return True
            found += each.values()
    return False


def without_quotes(status: Object) -> Object:
    """The status of an answer about something confidential."""
    if status.get("status") != "Failure" or status.get("reason") in _HARMLESS:
        return status
    details = {key: value for key, value in (status.get("details") or {}).items() if key != "causes"}
    return status | {"message": _WITHHELD} | ({"details": details} if details else {})
